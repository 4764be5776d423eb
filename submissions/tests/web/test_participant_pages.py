"""What a participant reads on the pages of phases and submissions."""

import base64
import html
import re
from datetime import timedelta

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.utils import timezone
from django.utils.html import strip_tags

from submissions import actions
from submissions.actions.evaluate import claim
from submissions.actions.finish import fail
from submissions.models import Evaluation, Phase, Submission
from submissions.tests.factories import GOOD, csv_file, make_dataset, make_member, make_phase, make_submission

pytestmark = pytest.mark.django_db

SPLITS = ["public", "private"] * 5


@pytest.fixture
def ann(client):
    user = make_member("ann", "Lung Ranger")
    client.force_login(user)
    return user


def text_of(answer):
    return " ".join(html.unescape(strip_tags(answer.content.decode())).split())


def scored(user, phase):
    submission = make_submission(user=user, phase=phase)
    actions.evaluate(evaluation_id=submission.latest.pk, worker="w")
    return submission


class TestThePhasePage:
    def test_tells_the_task_the_tries_and_the_columns(self, client, ann):
        phase = make_phase(description="Say how likely.", quotas=[(3, timedelta(days=7)), (15, None)])
        text = text_of(client.get(f"/phases/{phase.slug}/"))
        columns = (
            "An id column, AnnotationID or id, and one score column: the first present of probability, prob, score"
        )
        for words in ("Say how likely.", "3 of 3 left", "every 7 days", "15 of 15 left", columns, "Memory"):
            assert words in text

    @pytest.mark.parametrize("has_private", [True, False])
    def test_speaks_of_private_cases_only_where_there_are_some(self, client, ann, has_private):
        make_phase(make_dataset(splits=SPLITS if has_private else None), slug="nodules")
        text = text_of(client.get("/phases/nodules/"))
        assert bool(re.search("private (cases|part)", text)) == has_private

    @pytest.mark.slow
    def test_tells_when_the_next_try_is_free(self, client, ann):
        phase = make_phase(quotas=[(1, timedelta(days=7))])
        make_submission(user=ann, phase=phase)
        page = client.get(f"/phases/{phase.slug}/")
        assert "The one try every 7 days is used." in text_of(page)
        assert f"{timezone.now() + timedelta(days=7):%Y-%m-%d}" in text_of(page)
        assert b"disabled" in page.content

    def test_counts_no_tries_once_the_phase_has_ended(self, client, ann):
        phase = make_phase(quotas=[(3, None)], closes_at=timezone.now() - timedelta(hours=1))
        text = text_of(client.get(f"/phases/{phase.slug}/"))
        assert "nothing more can be sent" in text
        assert "3 of 3" not in text

    def test_shows_no_form_to_anonymous_visitors_but_the_way_in(self, client):
        phase = make_phase()
        page = client.get(f"/phases/{phase.slug}/").content.decode()
        assert f"/accounts/login/?next=/phases/{phase.slug}/" in page
        assert 'type="file"' not in page

    @pytest.mark.parametrize(
        ("times", "words"),
        [
            ({"closes_at": timezone.now() - timedelta(hours=1)}, "takes no more submissions"),
            ({"opens_at": timezone.now() + timedelta(days=1)}, "You can prepare with the template"),
        ],
    )
    def test_shows_no_form_while_it_is_closed(self, client, ann, times, words):
        phase = make_phase(**times)
        page = client.get(f"/phases/{phase.slug}/")
        assert words in text_of(page)
        assert b'type="file"' not in page.content

    @pytest.mark.parametrize(("csv", "docker", "field"), [(True, False, "id_file"), (False, True, "id_image")])
    def test_offers_only_what_it_takes(self, client, ann, csv, docker, field):
        phase = make_phase(accepts_csv=csv, accepts_docker=docker)
        page = client.get(f"/phases/{phase.slug}/").content.decode()
        assert f'id="{field}"' in page
        assert 'aria-label="What to send"' not in page

    def test_prints_the_line_that_runs_an_image_at_home_under_its_own_limits(self, client, ann):
        phase = make_phase(memory_mib=1234)
        text = text_of(client.get(f"/phases/{phase.slug}/"))
        assert "--memory 1234m --memory-swap 1234m" in text
        assert "size=308m" in text  # a quarter of the memory, as in an evaluation
        assert "--shm-size 617m" in text


class TestCheckingAndSubmitting:
    def send(self, client, phase, file, **more):
        return client.post(f"/phases/{phase.slug}/submit/", {"file": file, **more})

    def test_all_missing_and_unknown_ids_can_be_downloaded(self, client, ann):
        phase = make_phase(make_dataset(truth=[0] * 15 + [1] * 10))
        ids = phase.case_ids()
        content = "AnnotationID,probability\n=1+1,0.5\n" + "".join(f"{public_id},0.5\n" for public_id in ids[:5])
        answer = self.send(client, phase, SimpleUploadedFile("p.csv", content.encode()), check="1")
        assert f"Missing: {', '.join(ids[5:15])}, …" in text_of(answer)
        address = re.search(r'href="data:text/csv;charset=utf-8;base64,([^"]+)"', answer.content.decode())
        lines = base64.b64decode(html.unescape(address.group(1))).decode().split()
        assert lines == ["problem,id", *[f"missing,{public_id}" for public_id in ids[5:]], "unknown,'=1+1"]

    def test_a_check_spends_no_try(self, client, ann):
        phase = make_phase(quotas=[(1, None)])
        answer = self.send(client, phase, csv_file(), check="1")
        assert answer.status_code == 200
        assert "The file is good: 10 rows" in text_of(answer)
        assert not Submission.objects.exists()

    @pytest.mark.slow
    def test_a_refused_file_tells_line_column_and_reason_and_spends_no_try(self, client, ann):
        phase = make_phase(quotas=[(1, None)])
        answer = self.send(client, phase, csv_file([2.0] + [0.5] * 9))
        text = text_of(answer)
        assert answer.status_code == 400
        assert "No try was spent" in text
        assert "2 probability" in text  # line 2, column probability
        assert "1 of 1 left" in text

    @pytest.mark.slow
    def test_a_try_too_many_says_when_the_next_is_free(self, client, ann):
        phase = make_phase(quotas=[(1, timedelta(days=1))])
        self.send(client, phase, csv_file())
        answer = self.send(client, phase, csv_file(GOOD[::-1]))  # another file: about the same one the page asks first
        assert answer.status_code == 429
        assert "The next is free on" in text_of(answer)
        assert Submission.objects.count() == 1

    def test_a_double_click_sends_once(self, client, ann):
        phase = make_phase()
        answers = [self.send(client, phase, csv_file(), idempotency_key="k") for _ in range(2)]
        assert answers[0]["Location"] == answers[1]["Location"]
        assert Submission.objects.count() == 1

    def test_a_body_far_too_long_is_refused_before_it_is_read(self, client, ann):
        class Untouchable:
            def read(self, *size):
                raise AssertionError("the body was read")

            readline = read

        slug = make_phase().slug
        answer = client.generic(
            "POST", f"/phases/{slug}/submit/", content_type="multipart/form-data; boundary=x",
            **{"CONTENT_LENGTH": str(1 << 34), "wsgi.input": Untouchable()},
        )  # fmt: skip
        assert answer.status_code == 413
        assert "larger than the 10 MB this address takes; send a smaller CSV, or an image by" in text_of(answer)

    def test_nothing_chosen_is_said_beside_the_field(self, client, ann):
        answer = client.post(f"/phases/{make_phase().slug}/submit/", {})
        assert answer.status_code == 400
        assert "This field is required" in text_of(answer)

    def test_the_address_of_a_refused_file_opened_again_leads_back(self, client, ann):
        phase = make_phase()
        assert client.get(f"/phases/{phase.slug}/submit/")["Location"] == f"/phases/{phase.slug}/"


class TestTheSubmissionPage:
    @pytest.mark.slow
    def test_shows_scores_rounded_even_where_the_api_shows_all_digits(self, client, ann):
        submission = scored(ann, make_phase(decimals=None))
        text = text_of(client.get(f"/submissions/{submission.pk}/"))
        assert "0.9583" in text
        assert "0.95833" not in text

    @pytest.mark.slow
    def test_shows_no_private_number_before_the_end_and_all_after(self, client, ann):
        phase = make_phase(make_dataset(splits=SPLITS))
        submission = scored(ann, phase)
        before = text_of(client.get(f"/submissions/{submission.pk}/"))
        assert "private cases" not in before
        Phase.objects.update(closes_at=timezone.now())
        assert "private cases" in text_of(client.get(f"/submissions/{submission.pk}/"))

    @pytest.mark.parametrize(
        ("code", "fault", "cost"),
        [
            ("TIMEOUT", "the submission's fault", "the try counted"),
            ("CSV_IDS", "the submission's fault", "the try was given back"),
            ("SYSTEM_ENGINE", "our fault", "the try was given back"),
        ],
    )
    def test_says_in_one_breath_what_whose_fault_and_what_it_cost(self, client, ann, code, fault, cost):
        submission = make_submission(user=ann, phase=make_phase())
        fail(evaluation=claim(submission.latest.pk, "w"), code=code, staff_detail="engine said: /var/lib/docker")
        page = text_of(client.get(f"/submissions/{submission.pk}/"))
        assert fault in page
        assert cost in page
        assert code in page
        assert "/var/lib/docker" not in page

    def test_does_not_say_twice_that_the_try_was_given_back(self, client, ann):
        submission = make_submission(user=ann, phase=make_phase())
        fail(evaluation=claim(submission.latest.pk, "w"), code="SYSTEM_ENGINE")
        page = text_of(client.get(f"/submissions/{submission.pk}/"))
        assert "the try was given back and staff were told. This was our fault." in page

    def test_sets_the_commands_of_its_sentence_as_code_and_nothing_else_as_markup(self, client, ann):
        submission = make_submission(user=ann, phase=make_phase())
        note = "Make it with `docker save -o model.tar <IMAGE>`."
        fail(evaluation=claim(submission.latest.pk, "w"), code="IMAGE_NO_MANIFEST", note=note)
        page = client.get(f"/submissions/{submission.pk}/").content.decode()
        assert "<code>docker save -o model.tar &lt;IMAGE&gt;</code>" in page

    @pytest.mark.slow
    @pytest.mark.parametrize("stage", ["smoke", "start"])
    def test_beside_a_diagnosis_the_heading_names_no_other_remedy(self, client, ann, stage):
        diagnosis = {"diagnosis": "Port 8000 was called, but the program listens on 5000."} if stage == "smoke" else {}
        submission = make_submission(user=ann, phase=make_phase())
        evaluation = claim(submission.latest.pk, "w")
        evaluation.save_progress(trial=diagnosis)
        fail(evaluation=evaluation, code="NOT_READY", stage=stage)
        page = client.get(f"/submissions/{submission.pk}/").content.decode()
        assert "The container answered nothing on its port in time" in page
        assert ("load the model faster" in page) == (stage == "start")
        api = client.get(f"/api/v1/submissions/{submission.pk}").json()
        assert ("load the model faster" in api["failure"]["sentence"]) == (stage == "start")

    def test_shows_the_log_of_the_sample_run_and_never_that_of_the_hidden_one(self, client, ann):
        submission = make_submission(user=ann, phase=make_phase())
        Evaluation.objects.update(smoke_log="weights loaded", run_log="HIDDEN-CASE", staff_detail="HIDDEN-NOTE")
        page = client.get(f"/submissions/{submission.pk}/").content.decode()
        assert "weights loaded" in page
        assert "HIDDEN" not in page

    @pytest.mark.slow
    def test_the_fragment_stops_the_asking_when_all_is_over(self, client, ann):
        submission = make_submission(user=ann, phase=make_phase())
        going = client.get(f"/submissions/{submission.pk}/progress/")
        assert (going.status_code, b"hx-get" in going.content) == (200, True)
        actions.evaluate(evaluation_id=submission.latest.pk, worker="w")
        over = client.get(f"/submissions/{submission.pk}/progress/")
        assert (over.status_code, b"hx-get" in over.content) == (286, False)

    def test_tells_how_many_cases_are_done_and_what_is_left(self, client, ann):
        submission = make_submission(user=ann, phase=make_phase())
        claim(submission.latest.pk, "w").save_progress(answered=37, total=120, stage="predict")
        started = timezone.now() - timedelta(seconds=41)
        Evaluation.objects.update(started_at=started)
        page = client.get(f"/submissions/{submission.pk}/progress/").content.decode()
        assert "37 / 120 cases" in page
        assert re.search(r'<progress max="120"\s+value="37"', page)
        assert "about 2 min left" in page


BROWSER = {"Accept": "text/html"}  # programs share the address, and get JSON


class TestTheList:
    @pytest.mark.slow
    def test_asks_the_database_equally_often_for_one_row_and_for_many(self, client, ann, django_assert_max_num_queries):
        phase = make_phase()
        scored(ann, phase)
        with django_assert_max_num_queries(30) as one:
            client.get("/submissions/", headers=BROWSER)
        for _ in range(5):
            scored(ann, phase)
        with django_assert_max_num_queries(len(one)):
            client.get("/submissions/", headers=BROWSER)

    @pytest.mark.slow
    @pytest.mark.parametrize("page", ["-1", "abc", "999999999999", "0", "1e9"])
    def test_takes_any_page_number(self, client, ann, page):
        scored(ann, make_phase())
        assert client.get("/submissions/", {"page": page}, headers=BROWSER).status_code == 200

    def test_says_what_to_do_when_there_is_nothing(self, client, ann):
        assert "Choose a phase" in text_of(client.get("/submissions/", headers=BROWSER))


def test_the_guide_tells_every_failure(client):
    from submissions.failures import FAILURES

    text = text_of(client.get("/guide/"))
    assert [code for code in FAILURES if code not in text] == []


def test_the_guide_tells_what_every_contract_requires_for_every_kind(client):
    from submissions.kinds import KINDS
    from submissions.runner.contracts import CONTRACTS

    text = text_of(client.get("/guide/"))
    for contract in CONTRACTS.values():
        assert contract.label in text
        for kind in filter(contract.serves, KINDS.values()):
            assert f"{kind.title}: {contract.summary(kind)}".replace("`", "") in text


def test_the_start_page_says_what_to_do_before_there_is_a_phase(client):
    assert "There is no challenge yet" in text_of(client.get("/"))
