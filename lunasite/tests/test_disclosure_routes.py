"""Every address that a participant can reach, searched for every stored number of a competition (issue 9 A).

A new address is walked at once: the walk takes the addresses from the matrix of test_routes, which must name all.
"""

from __future__ import annotations

import io
import json
import re
import zipfile
from datetime import timedelta
from functools import cache
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.core.cache import cache as site_cache
from django.test import Client
from django.utils import timezone
from django_q.models import OrmQ

from leaderboard.writing import recompute_standings
from lunasite.tests.test_routes import MATRIX, address
from submissions.accounts.tokens import create_token
from submissions.models import Delivery, Evaluation, Message, Phase, Submission, Webhook
from submissions.models.team import team_of
from submissions.notices.evaluations import tell_of_evaluation
from submissions.tests.factories import evaluated, make_dataset, make_member, make_phase, make_submission, make_user
from submissions.tests.mails import sent_mails

pytestmark = [pytest.mark.django_db, pytest.mark.slow]

SPLITS = ["public"] * 4 + ["private"] * 4 + ["sample"] * 2
TRUTH = [0, 1, 0, 1, 0, 1, 0, 1, 0, 1]
SCORED = [case for case, split in enumerate(SPLITS) if split != "sample"]
NUMBER = re.compile(r"(?<![\w.-])\d+(?:\.\d+)?(?:[eE][+-]?\d+)?(?![\w-])")
PUBLIC_AUC, SHOWN, WORSE = 0.8931457, 0.89, 0.8412759


def secret_scores(phase: Phase, start: float, n: int, **given: float) -> dict[str, Any]:
    """Return made-up numbers of every metric; no two of them, and none of the page, are alike in three digits."""
    scores: dict[str, Any] = {"n": n}
    for number, name in enumerate(phase.kind.metrics):
        value = given.get(name, start + 0.0137219 * number)
        scores |= {name: value, f"{name}_ci": {"patient": [value - 0.0713331, value + 0.0614447]}}
    return scores


def secret_curves(start: float) -> dict[str, Any]:
    return {name: [[0.0, 0.0], [start, start + 0.0271828], [1.0, 1.0]] for name in ("roc", "pr", "reliability")}


TIMINGS = {
    "load_s": 1.25, "start_s": 17.352719, "predict_s": 4211.653127, "score_s": 3.916237,
    "latency_median_s": 41.728319, "latency_p95_s": 53.639127, "latency_s": {"case0": 37.194653},
    "peak_memory_bytes": 1357924680, "sample_latency_median_s": 0.0437619, "sample_predict_s": 0.0875238,
}  # fmt: skip


class World:
    """A competition with four entries of one team: a shown best, a lesser one, a running and a failed image."""

    def __init__(self, settings: Any) -> None:
        settings.EVALUATION_LEASE_SECONDS = 10**6
        self.own, self.other = make_member("own"), make_member("other")
        self.phase = make_phase(
            make_dataset(truth=TRUTH, splits=SPLITS), slug="p", opens_at=timezone.now() - timedelta(days=2)
        )
        self.best = self._scored(self.own, self.phase, auc=PUBLIC_AUC, at_s=0)
        self.lesser = self._scored(self.own, self.phase, auc=WORSE, at_s=100)
        self.theirs = self._scored(self.other, self.phase, auc=0.7219873, at_s=200)
        self.running = self._image(status="running", stage="run", answered=1371, total=4013)
        self.failed = self._image(
            status="failed", stage="run", failure_code="OUT_OF_MEMORY", failure_stage="run", answered=1371, total=4013,
            failure_note="It stopped after 1371 cases, at case 271828.", finished_at=timezone.now(),
        )  # fmt: skip
        recompute_standings(self.phase)

    def _scored(self, user: Any, phase: Phase, *, auc: float, at_s: int) -> Submission:
        submission = evaluated(user=user, phase=phase, values=[0.1 + 0.05 * case for case in SCORED])
        Submission.objects.filter(pk=submission.pk).update(submission_type="docker", limits={"memory_mib": 2048})
        started = timezone.now() - timedelta(hours=3) + timedelta(seconds=at_s)
        scores = {
            "public": secret_scores(phase, 0.3117717, 31731, auc=auc),
            "private": secret_scores(phase, 0.5228829, 70307),
            "sample": secret_scores(phase, 0.1014987, 20),
        }
        curves = {
            "public": secret_curves(0.2233557),
            "private": secret_curves(0.4466779),
            "sample": secret_curves(0.11),
        }
        submission.evaluations.update(
            scores=scores, curves=curves, timings=TIMINGS, answered=401, total=401, stage="scored",
            started_at=started, finished_at=started + timedelta(seconds=4321.987654),
            run_log="hidden log 998877", staff_detail="engine 887766", smoke_log="a sample log",
        )  # fmt: skip
        submission.latest.events.all().delete()
        submission.latest.add_event("run", "All cases were answered.", "peak 776655 MiB")
        submission.latest.add_event("scored", "Scored.")
        submission.latest.events.update(at=started + timedelta(seconds=4321.987654))
        return Submission.objects.get(pk=submission.pk)

    def _image(self, **fields: Any) -> Submission:
        submission = make_submission(self.own, self.phase, values=[0.5] * len(SCORED))
        Submission.objects.filter(pk=submission.pk).update(submission_type="docker")
        now = timezone.now()
        timings = {"predict_started_at": (now - timedelta(seconds=271)).isoformat(), "tenths_at_s": [33.3, 66.6, 99.9]}
        running = {"started_at": now - timedelta(seconds=300), "attempt": 1, "lease_until": now + timedelta(days=9)}
        submission.evaluations.update(timings=timings, **running | fields)
        return Submission.objects.get(pk=submission.pk)

    def secrets(self) -> dict[str, float]:
        """Return every stored number that a participant may not see, by where it is stored."""
        found: dict[str, float] = {}
        for submission in (self.best, self.lesser, self.theirs):
            evaluation = submission.latest
            for split in ("public", "private"):
                _collect(f"scores.{split}", evaluation.scores[split], found)
                _collect(f"curves.{split}", evaluation.curves[split], found)
            for name, value in evaluation.timings.items():
                if not name.startswith("sample") and name != "load_s":
                    _collect(f"timings.{name}", value, found)
            found |= {"seed": evaluation.bootstrap_seed, "ran": 4321.987654}
        # Of the failed and the running image: how far they are.
        return found | {"answered": 1371.0, "note": 271828.0, "log": 998877.0, "detail": 887766.0, "event": 776655.0}


def _collect(name: str, value: Any, found: dict[str, float]) -> None:
    if isinstance(value, dict):
        for key, item in value.items():
            _collect(f"{name}.{key}", item, found)
    elif isinstance(value, list):
        for number, item in enumerate(value):
            _collect(f"{name}.{number}", item, found)
    elif value not in (0.0, 1.0):
        found[f"{name}={value}"] = float(value)


@cache
def forms(value: float) -> set[str]:
    """Return how a number could be written: in full, cut or rounded to four digits or more, or to three decimals.

    Fewer digits are shared by too many harmless numbers of a page to be told from them.
    """
    texts = {repr(value), f"{value:g}"}
    if value == int(value):
        return texts | {str(int(value)), f"{int(value):,}"}
    for places in range(1, 12):
        for number in (value, 100 * value):
            cut = str(number)[: str(number).index(".") + 1 + places] if "." in str(number) else str(number)
            texts |= {f"{number:.{places}f}", cut}
    return {text for text in texts if len(text.replace(".", "").lstrip("0")) >= 4} | {repr(value), f"{value:.3f}"}


def found_in(text: str, secrets: dict[str, float]) -> list[str]:
    """Return the secrets that a text holds as a number of its own."""
    written = set(NUMBER.findall(text)) | set(NUMBER.findall(text.replace(",", "")))
    return [name for name, value in secrets.items() if forms(value) & written]


QUERIES = {
    "leaderboard": [
        "", "?metric=auc", "?metric=brier", "?split=private", "?split=sample", "?split=shown", "?show=all",
        "?q=o&sort=-submitted", "?sort=-rank&show=all", "?sort=brier", "?columns=brier&columns=average_precision",
    ],
    "leaderboard_history": ["", "?team=own-team", "?metric=brier", "?split=private"],
    "leaderboard_export": ["", "?show=all", "?metric=brier", "?split=private"],
    "leaderboard_compare": ["", "?a={best}&b={lesser}", "?a={best}&b={theirs}&split=private", "?split=sample"],
    "api_leaderboard": [
        f"?phase=p{more}"
        for more in (
            "", "&show=all", "&metric=brier", "&split=private", "&split=sample", "&format=csv", "&format=csv&show=all",
            "&page=1", "&metric=nope",
        )
    ],
    "api_leaderboard_history": [
        f"?phase=p{more}" for more in ("", "&team=team%20own", "&metric=ece", "&split=private")
    ],
    "earlier_leaderboard": ["?dataset_id=p", "?dataset_id=p&format=csv"],
    "api_submissions": ["", "?phase=p", "?status=completed", "?ordering=scores", "?status=nope"],
    "embed": ["", "?split=private&metric=brier"],
    "submissions": ["", "?phase=p"],
    "submission_report": ["", "?split=public", "?split=private", "?split=sample"],
    "api_full_report": ["", "?format=csv", "?format=json"],
    "submission_cases": ["", "?split=public", "?split=private&sort=id", "?outcome=false%20negative", "?sort=certain"],
    "submission_case": ["", "?id=case0", "?id=case4&split=private", "?id=case8"],
    "submission_differences": ["", "?with={best}", "?with={lesser}", "?with={theirs}"],
}  # fmt: skip
# Addresses that send something away or change an entry: they are not asked, or would end the world.
UNASKED = {"submission_cancel", "api_cancel", "team_leave"}
OF_AN_ENTRY = {
    "submission",
    "submission_progress",
    "api_submission",
    "api_report",
    "api_record",
    "api_file",
    "api_choice",
    "submission_report",
    "api_full_report",
    "submission_cases",
    "submission_case",
    "submission_differences",
}
HTMX = {"submission", "submission_progress", "leaderboard", "leaderboard_history"}


# Seconds and bytes of this process, among which any number may stand; participants may not read them (test_routes).
OF_THE_HOST = {"metrics"}


def answers(world: World, who: str) -> dict[str, str]:
    """Return the text of every answer to one person: pages, fragments, API, exports, with and without htmx."""
    client = Client(raise_request_exception=False)
    if user := {"own": world.own, "other": world.other}.get(who):
        client.force_login(user)
    token, _ = create_token(user=world.own, name="t")
    rows = [world.best, world.lesser, world.running, world.failed, world.theirs]
    found = {}
    for name, row in MATRIX.items():
        if name in OF_THE_HOST:
            continue
        for entry in rows if name in OF_AN_ENTRY else rows[:1]:
            values = {
                "slug": "p", "pk": entry.pk, "number": 1, "token": "x", "token_key": token.token_key,
                "upload": entry.pk, "team": team_of(world.own).name,
            }  # fmt: skip
            for query in QUERIES.get(name, [row.query]) if name not in UNASKED else []:
                place = address(name, values) + query.format(
                    best=world.best.pk, lesser=world.lesser.pk, theirs=world.theirs.pk
                )
                for method in {row.method, "get"}:
                    for headers in ({}, {"HX-Request": "true"}) if name in HTMX else ({},):
                        response = getattr(client, method)(place, headers=headers)
                        assert response.status_code != 429, place
                        shown_headers = " ".join(f"{key}: {value}" for key, value in response.headers.items())
                        found[f"{method} {place} {headers}"] = f"{shown_headers}\n{text_of(response)}"
    return found


def text_of(response: Any) -> str:
    """Return the body of an answer; of an archive, its files: compressed, no number would be found."""
    body = b"".join(response) if response.streaming else response.content
    if zipfile.is_zipfile(io.BytesIO(body)):
        with zipfile.ZipFile(io.BytesIO(body)) as archive:
            body = b"\n".join(archive.read(name) for name in archive.namelist())
    return body.decode(errors="replace")


@pytest.fixture
def world(settings):
    """The rates are off: an answer 429 tells nothing, and would come at another address in each reading."""
    settings.METRICS_TOKEN = ""
    settings.REST_FRAMEWORK = settings.REST_FRAMEWORK | {"DEFAULT_THROTTLE_RATES": {}}
    return World(settings)


@pytest.mark.parametrize("who", ["own", "other", "anonymous"])
def test_before_the_end_no_address_tells_a_number_that_is_not_on_the_list(world, who):
    secrets = world.secrets()
    read = answers(world, who)
    told = {place: names for place, text in read.items() if (names := found_in(text, secrets))}
    assert told == {}
    assert len(read) > 150
    assert [found_in(f"{message.subject} {message.body}", secrets) for message in sent_mails()] == []


def test_no_message_mail_or_webhook_tells_a_number_that_is_not_on_the_list(world):
    Webhook.objects.create(user=world.own, url="https://example.org/", kinds=["scored", "failed"])
    get_user_model().objects.update(email="own@example.org")
    for evaluation in Evaluation.objects.filter(status__in=("completed", "failed")):
        tell_of_evaluation(evaluation.pk)
    told = [message.text for message in Message.objects.all()]
    told += [row.body for row in Delivery.objects.all()]
    told += [str(row.task["args"]) for row in OrmQ.objects.all()]
    assert len(told) > 10
    assert [found_in(text, world.secrets()) for text in told if found_in(text, world.secrets())] == []


def test_what_a_person_takes_along_is_read_whole(world):
    """Compressed, an export would hold no number that could be found."""
    read = answers(world, "own")
    exported = next(text for place, text in read.items() if place.startswith("post /account/data/export/"))
    assert '"submission_type"' in exported
    assert str(SHOWN) in exported


def test_the_search_would_find_each_number(world):
    """The walk is worth nothing if it cannot fail: each stored number is found in the answers of staff."""
    secrets = world.secrets()
    client = Client()
    client.force_login(make_user("boss", is_staff=True, is_superuser=True))
    texts = [
        client.get(f"/api/v1/submissions/{entry.pk}/report").content.decode() for entry in (world.best, world.lesser)
    ]
    texts.append(client.get(f"/submissions/{world.failed.pk}/").content.decode())
    names = {name for text in texts for name in found_in(text, secrets)}
    wanted = {name for name in secrets if name.startswith(("scores", "curves", "seed", "timings.peak", "answered"))}
    of_own = {name for name in wanted if secrets[name] not in _numbers_of(world.theirs) - _numbers_of(world.best)}
    assert of_own - names == set()


def _numbers_of(submission: Submission) -> set[float]:
    found: dict[str, float] = {}
    _collect("", submission.latest.scores, found)
    return set(found.values())


def test_before_the_end_its_team_reads_one_number_and_everything_of_the_sample_cases(world):
    client = Client()
    client.force_login(world.own)
    best, lesser = (client.get(f"/api/v1/submissions/{entry.pk}/report").json() for entry in (world.best, world.lesser))
    assert best["scores"]["public"] == {"auc": SHOWN, "auc_ci": {"shown": [0.82, 0.95]}}
    assert (best["disclosure"], best["score_note"]) == ("competition", "")
    assert set(best["scores"]["sample"]) == set(world.best.latest.scores["sample"])
    assert set(best["curves"]) == {"sample"}
    assert "dataset_hash" in best  # a commitment, which confirms no guess
    assert "seed" not in best
    assert best["timings"] == {
        "load_s": 1.25, "sample_latency_median_s": 0.0437619, "sample_predict_s": 0.0875238,
        "peak_memory_quarters": 3, "total_s": 4526,
    }  # fmt: skip
    assert "public" not in lesser["scores"]
    assert lesser["score_note"] == "No better than your best by 0.01."
    page = client.get(f"/submissions/{world.lesser.pk}/").content.decode()
    assert "No better than your best by 0.01." in page


def test_a_failure_on_hidden_cases_tells_its_code_and_the_tenth(world):
    client = Client()
    client.force_login(world.own)
    failure = client.get(f"/api/v1/submissions/{world.failed.pk}").json()["failure"]
    assert (failure["code"], failure["note"], failure["answered"], failure["total"]) == (
        "OUT_OF_MEMORY",
        "",
        1203,
        4013,
    )
    progress = client.get(f"/api/v1/submissions/{world.running.pk}").json()["progress"]
    assert (progress["answered"], progress["left_s"]) == (1203, None)


def test_the_board_is_in_the_order_of_the_shown_scores_and_ties_go_to_the_earlier(world):
    third = make_member("third")
    world._scored(third, world.phase, auc=0.8949999, at_s=300)  # in full better than 0.8931, shown as the same 0.89
    recompute_standings(world.phase)
    rows = Client().get("/api/v1/leaderboard?phase=p").json()["rows"]
    assert [(row["team"], row["rank"], row["score"]) for row in rows] == [
        ("team own", 1, 0.89), ("team third", 1, 0.89), ("team other", 3, 0.72),
    ]  # fmt: skip
    assert [row["metrics"] for row in rows] == [{"auc": row["score"]} for row in rows]


def test_after_the_end_the_same_addresses_open_everything(world):
    Phase.objects.update(closes_at=timezone.now() - timedelta(seconds=1))
    secrets = world.secrets()
    client = Client()
    client.force_login(world.own)
    text = "".join(
        client.get(f"/api/v1/submissions/{entry.pk}/report").content.decode() for entry in (world.best, world.lesser)
    )
    names = set(found_in(text, {name: value for name, value in secrets.items() if name.startswith("scores")}))
    own = _numbers_of(world.best) | _numbers_of(world.lesser)
    assert {name for name, value in secrets.items() if name.startswith("scores") and value in own} - names == set()
    report = client.get(f"/api/v1/submissions/{world.best.pk}/report").json()
    assert (report["disclosure"], set(report["curves"])) == ("ended", {"public", "private", "sample"})
    assert {"dataset_hash", "seed"} <= set(report)
    assert report["timings"]["predict_s"] == TIMINGS["predict_s"]
    compare = f"/leaderboards/p/compare/?a={world.best.pk}&b={world.lesser.pk}"
    assert b"opens when the phase has ended" not in client.get(compare).content
    record = client.get(f"/api/v1/submissions/{world.best.pk}/record").json()["record"]
    assert set(record["scores"]) == {"public", "private", "sample"}


def test_staff_see_all_before_the_end_and_the_board_as_participants_see_it(world):
    client = Client()
    client.force_login(make_user("boss", is_staff=True, is_superuser=True))
    report = client.get(f"/api/v1/submissions/{world.best.pk}/report").json()
    assert set(report["scores"]) == {"public", "private", "sample"}
    assert json.dumps(report["timings"]).count("latency_s") == 0
    rows = client.get("/api/v1/leaderboard?phase=p&split=shown").json()["rows"]
    assert [row["score"] for row in rows] == [0.89, 0.72]
    assert client.get("/api/v1/leaderboard?phase=p").json()["rows"][0]["score"] == round(PUBLIC_AUC, 4)


def test_evaluations_of_the_world_are_as_they_should_be(world):
    assert Evaluation.objects.filter(status="completed").count() == 3
    assert [entry.latest.shown_score for entry in (world.best, world.lesser, world.theirs)] == [0.89, None, 0.72]


def change_what_is_hidden(world):
    """Store other hidden numbers with the entries: all of the private cases, and those of public ones not shown."""
    for entry in (world.best, world.lesser, world.theirs):
        evaluation = entry.latest
        shown = {name: evaluation.scores["public"][name] for name in ("auc", "auc_ci")}
        lesser = {"auc": 0.6110983} if entry == world.lesser else {}
        public = secret_scores(world.phase, 0.2227717, 27182) | shown | lesser
        hidden = {"public": public, "private": secret_scores(world.phase, 0.6338829, 60221)}
        curves = {"public": secret_curves(0.3344557), "private": secret_curves(0.5566779)}
        entry.evaluations.update(scores=evaluation.scores | hidden, curves=evaluation.curves | curves)
    recompute_standings(world.phase)


# Tokens of a form, and the time of a feed without posts.
VOLATILE = re.compile(r'(?<=value=")\w{32,64}(?=")|<updated>.*?</updated>')
# The models of this process load meanwhile.
OF_THE_SITE = {"health", "ready", "status"}


def read_again(world, who):
    """Return body and entity tag of each address by GET, without what differs at each reading."""
    client = Client(raise_request_exception=False)
    client.force_login({"own": world.own, "other": world.other}[who])
    site_cache.clear()  # what was kept of an earlier reading would be told again
    found = {}
    for name, row in MATRIX.items():
        for entry in (world.best, world.lesser, world.theirs) if name in OF_AN_ENTRY else (world.best,):
            values = {"slug": "p", "pk": entry.pk, "number": 1, "token": "x", "token_key": "x" * 15,
                      "upload": entry.pk, "team": team_of(world.own).name}  # fmt: skip
            for query in QUERIES.get(name, [row.query]) if name not in OF_THE_HOST | OF_THE_SITE else []:
                place = address(name, values) + query.format(
                    best=world.best.pk, lesser=world.lesser.pk, theirs=world.theirs.pk
                )
                response = client.get(place)
                assert response.status_code != 429, place
                found[place] = VOLATILE.sub("", f"{response.headers.get('ETag')}\n{text_of(response)}")
    return found


@pytest.mark.parametrize("who", ["own", "other"])
def test_other_hidden_numbers_change_nothing_that_is_told_before_the_end(world, who, monkeypatch):
    """A search for numbers finds no order, count, colour or length that depends on them; this does.

    The clock stands still: pages tell the minute, and the readings take longer.
    """
    now = timezone.now()
    monkeypatch.setattr("django.utils.timezone.now", lambda: now)
    Evaluation.objects.filter(pk=world.running.latest.pk).update(status="cancelled", finished_at=timezone.now())
    before = read_again(world, who)
    change_what_is_hidden(world)
    after = read_again(world, who)
    assert [place for place, text in before.items() if text != after[place]] == []
    Phase.objects.update(closes_at=timezone.now())
    assert [place for place, text in read_again(world, who).items() if text != after[place]] != []
