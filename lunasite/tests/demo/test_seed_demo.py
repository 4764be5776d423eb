"""The demo: every state is there, real scores, once; and never beside real people."""

import hashlib
import io
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db.models import Count
from django.utils import timezone
from PIL import Image

from inference.ct.reading.picture import read_picture
from inference.drift import file as drift_file
from inference.drift import log as drift_log
from inference.models import DriftRow, Feedback
from inference.slice_classes import SLICE_CLASSES
from leaderboard.models import Standing
from lunasite.demo import phantoms
from lunasite.demo.accounts import ACCOUNTS, close_accounts, demo_password, open_accounts
from lunasite.demo.inference import DRIFT_ROWS, VERDICTS, make_answers
from submissions import actions
from submissions.actions.evaluate import claim
from submissions.actions.submit import read_csv
from submissions.intake.csv.predictions import CsvProblems
from submissions.models import Case, Dataset, Evaluation, Phase, Submission, Team

pytestmark = [pytest.mark.django_db, pytest.mark.slow]
Status = Evaluation.Status


@pytest.fixture(scope="module")
def small():
    """A few chests and pictures are enough to show the same."""
    patch = pytest.MonkeyPatch()
    patch.setattr(phantoms, "CHESTS", 7)
    patch.setattr(phantoms, "CHEST_SPLITS", ("public",) * 3 + ("private",) * 3 + ("sample",))
    patch.setattr(phantoms, "CHEST_SHAPE_ZYX", (12, 64, 64))
    patch.setattr(phantoms, "CHEST_SPACING_XYZ_MM", (5.0, 5.0, 12.0))
    patch.setattr(phantoms, "PICTURES_A_CLASS", 5)
    patch.setattr(phantoms, "PICTURE_SPLITS", ("public",) * 2 + ("private",) * 2 + ("sample",))
    yield
    patch.undo()


@pytest.fixture
def demo(settings, small, tmp_path):
    settings.DEMO = True
    settings.DATA_DIR = tmp_path
    settings.FEEDBACK_DIR = tmp_path / "feedback"
    settings.DRIFT_CURRENT_PATH = tmp_path / "drift.csv"
    return settings


def seed(port=8000):
    out = io.StringIO()
    call_command("seed_demo", port=port, stdout=out)
    return out.getvalue()


def statuses():
    rows = Evaluation.objects.values("status").annotate(n=Count("pk")).order_by()
    return {row["status"]: row["n"] for row in rows}


def counts():
    models = (User, Team, Dataset, Case, Phase, Submission, Evaluation, Standing, Feedback, DriftRow)
    return [model.objects.count() for model in models]


def test_shows_every_state_with_real_scores_and_says_what_to_do(demo, tmp_path):
    text = seed(port=8042)

    assert statuses() == {"completed": 9, "cancelled": 1, "pending": 2, "running": 1, "failed": 3}
    failed = Evaluation.objects.filter(status=Status.FAILED)
    assert {item.failure_code for item in failed} == {"IMAGE_NO_MANIFEST", "OUT_OF_MEMORY", "SYSTEM_ENGINE"}
    assert {item.failure.fault for item in failed} == {"participant", "platform"}

    phase = Phase.objects.get(slug="phantom-lesions")
    public = Standing.objects.filter(phase=phase, split="public")
    assert {row.team.name for row in public.filter(is_baseline=False)} == {"Alveoli", "Bronchi", "Carina"}
    assert public.filter(is_baseline=True).count() == 1
    assert public[0].evaluation.scores["public"]["n"] == 12
    assert public[0].evaluation.dataset_hash == phase.dataset.content_hash
    assert Phase.objects.get(slug="phantom-rehearsal").board_split(timezone.now()) == "private"

    assert "http://localhost:8042/phases/phantom-lesions/" in text
    assert demo_password() in text
    assert all(account.username in text for account in ACCOUNTS)
    assert read_csv(phase, (tmp_path / "samples" / "predictions.csv").read_bytes()).rows == 28  # four of them samples
    with pytest.raises(CsvProblems):
        read_csv(phase, (tmp_path / "samples" / "predictions-broken.csv").read_bytes())


def test_running_it_again_adds_nothing_and_revives_nothing(demo):
    seed()
    before = counts()
    running = Evaluation.objects.get(status=Status.RUNNING)
    Evaluation.objects.filter(pk=running.pk).update(started_at=timezone.now() - timedelta(days=3))
    seed()
    assert counts() == before
    running.refresh_from_db()
    assert timezone.now() - running.started_at < timedelta(minutes=2)  # the page never says "three days left"

    actions.cancel(submission=running.submission)
    User.objects.create_user("visitor")  # somebody who tried the sign-up page
    seed()
    assert not Evaluation.objects.filter(status=Status.RUNNING).exists()


def test_real_workers_leave_the_two_shown_ones_alone_and_score_the_fresh_one(demo):
    seed()
    running = Evaluation.objects.get(status=Status.RUNNING)
    waiting = Submission.objects.get(idempotency_key="demo-waiting").latest
    actions.sweep()
    running.refresh_from_db()
    assert running.status == Status.RUNNING
    assert claim(waiting.pk, "real worker") is None
    assert claim(running.pk, "real worker") is None

    fresh = Submission.objects.get(idempotency_key="demo-fresh")
    actions.evaluate(evaluation_id=fresh.latest.pk, worker="real worker")
    assert fresh.latest.status == Status.COMPLETED


def test_the_same_seed_draws_the_same_data(demo):
    first = cases_of(phantoms.lesion_dataset()), cases_of(phantoms.slice_dataset())
    Dataset.objects.all().delete()
    assert (cases_of(phantoms.lesion_dataset()), cases_of(phantoms.slice_dataset())) == first


def cases_of(dataset):
    """Return what was drawn; the commitment differs, for its nonce is random."""
    return list(dataset.cases.order_by("position").values_list("public_id", "truth", "split", "facts"))


def test_review_statistics_and_drift_have_something_to_show(demo, client):
    users = open_accounts()
    make_answers(users, timezone.now())

    rows = list(Feedback.objects.all())
    assert len(rows) == len(VERDICTS) == 12
    assert {row.state for row in rows} == set(Feedback.State.values)
    assert {row.label for row in rows} == set(SLICE_CLASSES)
    assert all(row.note for row in rows if not row.is_correct)
    assert all((row.reviewer == users["organiser"]) == (row.state != "waiting") for row in rows)
    for row in rows:
        assert read_picture(row.picture_path).grey.shape == (row.height, row.width)
        assert hashlib.sha256(row.picture_path.read_bytes()).hexdigest() == row.sha256

    drifted = {column.column for column in drift_log.report().columns if column.is_drifted}
    assert "mean" in drifted
    assert not drifted & {"height", "width", "pred_class", "pred_conf"}

    client.force_login(users["organiser"])
    for page in ("/review", "/review/statistics", "/drift"):
        assert 'class="empty"' not in client.get(page).content.decode()


def test_made_up_answers_come_once_and_the_same_on_every_site(demo):
    users, now = open_accounts(), timezone.now()
    make_answers(users, now)
    first = list(Feedback.objects.values_list("sha256", flat=True)), drift_log.recent()
    make_answers(users, now)
    assert (Feedback.objects.count(), DriftRow.objects.count()) == (len(VERDICTS), DRIFT_ROWS)
    assert len(drift_file.read(demo.DRIFT_CURRENT_PATH)["mean"]) == DRIFT_ROWS

    Feedback.objects.all().delete()
    DriftRow.objects.all().delete()
    make_answers(users, now)
    assert (list(Feedback.objects.values_list("sha256", flat=True)), drift_log.recent()) == first


def test_without_a_reference_there_are_no_drift_rows(demo, tmp_path):
    demo.DRIFT_REFERENCE_PATH = tmp_path / "absent.csv"
    make_answers(open_accounts(), timezone.now())
    assert not DriftRow.objects.exists()
    assert Feedback.objects.exists()


def test_refuses_outside_demo_mode(settings):
    settings.DEMO = False
    with pytest.raises(CommandError, match="demo mode only"):
        seed()
    assert not User.objects.exists()


def test_refuses_where_real_people_have_accounts(demo):
    User.objects.create_user("real")
    with pytest.raises(CommandError, match="real people"):
        seed()
    assert not Phase.objects.exists()


def test_demo_accounts_log_in_only_in_demo_mode(demo, client):
    open_accounts()
    login = {"login": "ada", "password": demo_password()}
    assert client.post("/accounts/login/", login).status_code == 302
    browser = {"Accept": "text/html"}
    assert client.get("/submissions/", headers=browser).status_code in (200, 302)

    assert close_accounts() == len(ACCOUNTS)

    assert client.get("/submissions/", headers=browser).status_code == 302
    client.cookies.clear()
    assert client.post("/accounts/login/", login).headers.get("Location", "") != "/"
    assert "_auth_user_id" not in client.session
    open_accounts()
    assert client.post("/accounts/login/", login).headers["Location"] == "/"


def test_each_site_has_its_own_demo_password(settings):
    settings.SECRET_KEY = "a" * 50
    first = demo_password()
    settings.SECRET_KEY = "b" * 50
    assert demo_password() != first


@pytest.mark.parametrize("name", ["adenocarcinoma", "large_cell_carcinoma", "squamous_cell_carcinoma", "normal"])
def test_pictures_are_grey_slices(name):
    import numpy as np

    picture = phantoms.draw_picture(name, np.random.default_rng(1))
    assert isinstance(picture, Image.Image)
    assert picture.mode == "L"
    assert len(set(picture.tobytes())) > 50
