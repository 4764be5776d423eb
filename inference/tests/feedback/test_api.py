"""POST /feedback keeps a verdict with the picture encoded anew, or nothing at all."""

import io
import re

import pytest
from django.test import Client
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from inference.feedback import files as feedback_files
from inference.models import Feedback
from inference.tests.conftest import picture_file
from inference.tests.samples import picture

pytestmark = pytest.mark.django_db
URLS = ["/feedback", "/feedback/", "/api/v1/feedback"]


def body(file=None, **changes) -> dict:
    fields = {"file": file or picture_file(), "predicted_class": "normal", "is_correct": "true", **changes}
    return {name: value for name, value in fields.items() if value is not None}


def wrong(**changes) -> dict:
    return body(**{"is_correct": "false", "correct_class": "adenocarcinoma", **changes})


def errors_counted() -> float:
    text = Client().get("/metrics").content.decode()
    return float(next(line for line in text.splitlines() if line.startswith("prediction_error_total ")).split()[1])


def kept(folders) -> list:
    return [path for path in (folders / "kept").rglob("*") if path.is_file()] if (folders / "kept").exists() else []


@pytest.mark.slow
@pytest.mark.parametrize("url", URLS)
def test_keeps_a_right_answer_under_its_class(api, folders, url):
    answer = api.post(url, body(picture_file(name="image.png")))
    assert answer.status_code == 200
    assert re.fullmatch(r"feedback/normal/image-[0-9a-f]+\.png", answer.json()["saved_to"])
    assert answer.json() == {"saved_to": answer.json()["saved_to"], "class": "normal"}
    assert (folders / "kept" / answer.json()["saved_to"].removeprefix("feedback/")).is_file()
    assert errors_counted() == 0


@pytest.mark.slow
@pytest.mark.parametrize("spelling", ["false", "False", "0", "FALSE"])
def test_keeps_a_wrong_answer_under_the_right_class_and_counts_it(api, spelling):
    answer = api.post("/feedback", wrong(is_correct=spelling, note="see the apex", confidence="0.93"))
    assert answer.json()["class"] == "adenocarcinoma"
    row = Feedback.objects.get()
    assert (row.label, row.is_correct, row.note, row.confidence) == ("adenocarcinoma", False, "see the apex", 0.93)
    assert errors_counted() == 1


def test_knows_who_sent_it_if_somebody_did(api, user, anonymous):
    api.post("/feedback", body())
    anonymous.post("/feedback", body())
    assert [row.user for row in Feedback.objects.all()] == [user, None]


REFUSED = [
    ({"predicted_class": "cat"}, "predicted_class"),
    ({"predicted_class": None}, "predicted_class"),
    ({"predicted_class": "../normal"}, "predicted_class"),
    ({"is_correct": None}, "is_correct"),
    ({"is_correct": "maybe"}, "is_correct"),
    ({"is_correct": "false", "correct_class": None}, "correct_class"),
    ({"is_correct": "false", "correct_class": ""}, "correct_class"),
    ({"is_correct": "false", "correct_class": "cat"}, "correct_class"),
    ({"is_correct": "false", "correct_class": "normal"}, "correct_class"),
    ({"confidence": "1.01"}, "confidence"),
    ({"confidence": "nan"}, "confidence"),
    ({"note": "x" * 5001}, "note"),
    ({"note": "x" * 2**20}, "note"),
    ({"note": "a\x00b"}, "note"),
]


@pytest.mark.slow
@pytest.mark.parametrize(("changes", "field"), REFUSED, ids=lambda value: str(value)[:40])
def test_refuses_a_wrong_field_and_keeps_nothing(api, folders, changes, field):
    answer = api.post("/feedback", body(**changes))
    assert (answer.status_code, answer.json()["error_code"]) == (400, "VALIDATION_ERROR")
    assert answer.json()["details"]["field"] == field
    assert not Feedback.objects.exists()
    assert kept(folders) == []
    assert errors_counted() == 0


BAD_PICTURES = [(b"", "x.png"), (b"<html></html>", "x.html"), (b"<svg/>", "x.svg"), (picture((4, 4)), "x.png")]


@pytest.mark.slow
@pytest.mark.parametrize(("data", "name"), BAD_PICTURES)
def test_refuses_a_picture_that_cannot_be_used_and_keeps_nothing(api, folders, data, name):
    answer = api.post("/feedback", wrong(file=picture_file(data, name)))
    assert (answer.status_code, answer.json()["error_code"]) == (400, "INVALID_FILE_FORMAT")
    assert not Feedback.objects.exists()
    assert kept(folders) == []
    assert errors_counted() == 0


@pytest.mark.slow
def test_refuses_nothing_at_all_and_far_too_much(api, folders):
    assert api.post("/feedback", {}).json()["error_code"] == "FEEDBACK_EMPTY"
    answer = api.post("/feedback", body(picture_file(bytes(30 * 2**20))))
    assert (answer.status_code, answer.json()["error_code"]) == (413, "FILE_TOO_LARGE")
    assert list((folders / "uploads").iterdir()) == []


def test_what_is_kept_is_not_what_was_sent(api, folders):
    secret = PngInfo()
    secret.add_text("Comment", "<script>PATIENT NAME</script>")
    sent = io.BytesIO()
    Image.open(io.BytesIO(picture())).save(sent, "PNG", pnginfo=secret)
    api.post("/feedback", body(picture_file(sent.getvalue() + b"<script>trailing</script>")))
    [path] = kept(folders)
    assert b"PATIENT" not in path.read_bytes()
    assert b"script" not in path.read_bytes()
    with Image.open(path) as image:
        assert (image.format, image.size) == ("PNG", (64, 48))


@pytest.mark.parametrize(
    ("name", "stem"),
    [
        ("image.png", "image"), ("../../etc/passwd", "passwd"), ("a b\n<script>.png", "a-b-script"),
        ("C:\\temp\\x.jpg", "x"), ("ÄÖÜ.png", "image"), (".png", "png"), ("", "image"), ("x" * 300 + ".png", "x" * 40),
        ("\u202egnp.exe", "gnp"), ("..", "image"), ("a.b.png", "a-b"),
    ],
)  # fmt: skip
def test_of_a_file_name_only_harmless_letters_stay(name, stem):
    assert feedback_files.safe_stem(name) == stem


def test_a_row_that_cannot_be_written_leaves_no_file(api, folders, monkeypatch):
    def fail(**fields):
        raise RuntimeError("no row")

    monkeypatch.setattr(Feedback.objects, "create", fail)
    assert api.post("/feedback", body()).status_code == 500
    assert kept(folders) == []


def test_needs_a_token_where_the_site_says_so(anonymous, settings):
    settings.PREDICT_NEEDS_TOKEN = True
    assert anonymous.post("/feedback", body()).status_code == 401


def test_is_limited(api, monkeypatch):
    monkeypatch.setattr("rest_framework.throttling.ScopedRateThrottle.THROTTLE_RATES", {"feedback": "1/min"})
    assert api.post("/feedback", body()).status_code == 200
    answer = api.post("/feedback", body())
    assert (answer.status_code, answer.json()["error_code"]) == (429, "TOO_MANY_REQUESTS")


@pytest.mark.parametrize("bound", ["FEEDBACK_MAX_PICTURES", "FEEDBACK_MAX_BYTES"])
def test_the_kept_pictures_are_bounded_in_number_and_bytes(api, folders, settings, bound):
    setattr(settings, bound, 1)
    assert api.post("/feedback", body()).status_code == 200
    full = api.post("/feedback", body())
    assert (full.status_code, full.json()["error_code"]) == (507, "FEEDBACK_FULL")
    assert "nothing was stored" in full.json()["message"]
    assert len(kept(folders)) == Feedback.objects.count() == 1


def test_a_kept_picture_is_no_larger_than_is_counted(api, folders):
    api.post("/feedback", body())
    row = Feedback.objects.get()
    assert row.picture_path.stat().st_size <= (row.width + 1) * row.height + 1000
