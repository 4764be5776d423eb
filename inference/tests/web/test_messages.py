"""What is refused says what to send, in our words: no sentence of the frameworks reaches a caller."""

import json

import pytest

from inference.api.feedback import NOTE_LENGTH
from inference.tests.conftest import lesion, picture_file, scan_file
from inference.web.forms import MILLIMETRES, FeedbackForm, LesionForm, ReviewForm, SliceForm

pytestmark = pytest.mark.django_db
URL = "/api/v1/predict/lesion"
UID = "seriesInstanceUID: send 1 to 64 letters, digits, dots, underscores or hyphens."
CLASSES = "adenocarcinoma, large_cell_carcinoma, squamous_cell_carcinoma or normal"
NUMBER = "send a finite decimal number, such as -123.4."

SCANS = [
    ({"seriesInstanceUID": "a" * 65}, UID),
    ({"seriesInstanceUID": ""}, UID),
    ({"seriesInstanceUID": "a b"}, UID),
    ({"seriesInstanceUID": "a\x00"}, "seriesInstanceUID: send it without null characters."),
    ({"seriesInstanceUID": None}, "seriesInstanceUID: it is missing; send it."),
    ({"patientID": "x" * 129}, "patientID: send at most 128 characters."),
    ({"patientID": "a\x00"}, "patientID: send it without null characters."),
    ({"studyDate": "x"}, "studyDate: send a real date as YYYYMMDD, such as 20240131."),
    ({"ageAtStudyDate": "131"}, "ageAtStudyDate: send a whole number from 0 to 130 in digits."),
    ({"gender": "x"}, "gender: send exactly Male or Female."),
    ({"coordX": ""}, f"coordX: {NUMBER}"),
]


@pytest.mark.parametrize(("changes", "message"), SCANS, ids=lambda value: str(value)[:40])
def test_a_lesion_call_is_told_what_to_send(api, changes, message):
    assert api.post(URL, lesion(**changes)).json()["message"] == message


PLACE = {"lesionID": 1, "coordX": 1, "coordY": 2, "coordZ": 3}
BATCHES = [
    ("", "lesions: it is empty; send a value."),
    (" " * 100_001, "lesions: it is empty; send a value."),
    ("x" * 100_001, "lesions: send at most 100000 characters."),
    ("[]", "lesions: send a JSON list of 1 to 100 lesions."),
    ("[3]", "lesions, row 0: lesionID: it is missing; send it."),
    (json.dumps([{"lesionID": 2}]), "lesions, row 0: coordX: it is missing; send it."),
    (json.dumps([{**PLACE, "coordX": "1"}]),
     f"lesions, row 0: coordX: {NUMBER.removesuffix('.')}, as a JSON number without quotes."),
    (json.dumps([{**PLACE, "coordX": None}]), f"lesions, row 0: coordX: {NUMBER}"),
    (json.dumps([{**PLACE, "lesionID": True}]), f"lesions, row 0: lesionID: send a whole number from 0 to {10**18 - 1} "
     "in digits."),
]  # fmt: skip


@pytest.mark.parametrize(("rows", "message"), BATCHES, ids=range(len(BATCHES)))
def test_a_batch_of_lesions_is_told_what_to_send(api, rows, message):
    body = {"file": scan_file(), "seriesInstanceUID": "1", "lesions": rows}
    assert api.post(f"{URL}/batch", body).json()["message"] == message


def test_a_batch_of_slices_is_told_how_many_files_to_send(api):
    answer = api.post("/api/v1/predict/ct/batch", {"file": [picture_file() for _ in range(17)]})
    assert answer.json()["message"] == "Send at most 16 files."


VERDICTS = [
    ({"predicted_class": "cat"}, f"predicted_class: send exactly {CLASSES}."),
    ({"predicted_class": ""}, f"predicted_class: send exactly {CLASSES}."),
    ({"correct_class": "cat"}, f"correct_class: send exactly {CLASSES}."),
    ({"is_correct": ""}, "is_correct: send true or false."),
    ({"note": "x" * 5001}, "note: send at most 5000 characters."),
    ({"note": "a\x00"}, "note: send it without null characters."),
    ({"note": scan_file()}, "note: send text."),
    ({"confidence": "2"}, "confidence: send a number from 0 to 1."),
    ({"is_correct": "false"}, "correct_class: send the right class."),
]


@pytest.mark.parametrize(("changes", "message"), VERDICTS, ids=lambda value: str(value)[:40])
def test_feedback_is_told_what_to_send(api, changes, message):
    body = {"file": picture_file(), "predicted_class": "normal", "is_correct": "true", **changes}
    assert api.post("/feedback", body).json()["message"] == message


DAMAGED = "The picture was damaged on its way; send the file."
FORMS = [
    (SliceForm, {}, {"file": "Choose the picture."}),
    (LesionForm, {"x": "", "y": "1\x00", "z": "a"}, {"file": "Choose the volume, a .mha or .mhd file.",
     "x": MILLIMETRES, "y": MILLIMETRES, "z": MILLIMETRES}),
    (FeedbackForm, {}, {"file": "Choose the picture.", "predicted_class": "Choose what the model said.",
     "is_correct": "Choose yes or no."}),
    (FeedbackForm, {"picture": "=", "predicted_class": "cat", "is_correct": "perhaps", "correct_class": "cat",
     "note": "x" * 5001}, {"picture": DAMAGED, "predicted_class": "Choose what the model said.", "is_correct":
     "Choose yes or no.", "correct_class": "Choose what it is.", "note": "Shorten it to 5000 characters."}),
    (FeedbackForm, {"picture": "x" * 2_000_001, "predicted_class": "normal", "is_correct": "true", "note": "\x00"},
     {"picture": DAMAGED, "note": "Leave out the null characters."}),
    (ReviewForm, {"state": "perhaps", "note": "x" * 5001}, {"state": "Choose a decision.", "note":
     "Shorten it to 5000 characters."}),
]  # fmt: skip


@pytest.mark.parametrize(("form", "values", "messages"), FORMS, ids=range(len(FORMS)))
def test_a_form_says_what_to_do(form, values, messages):
    assert form(values, {}).errors == {name: [message] for name, message in messages.items()}


def test_a_picture_shown_under_a_very_long_name_can_be_sent_back():
    values = {"picture": "eA==", "picture_name": "n" * 250 + ".png", "predicted_class": "normal", "is_correct": "true"}
    assert FeedbackForm(values, {}).errors == {}


@pytest.mark.parametrize("form", [FeedbackForm, ReviewForm])
def test_each_end_of_a_line_of_a_note_counts_once(form):
    typed = "a\n" * (NOTE_LENGTH // 2 - 1) + "ab"
    assert form.base_fields["note"].clean(typed.replace("\n", "\r\n")) == typed
