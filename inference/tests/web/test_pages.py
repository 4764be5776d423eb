"""The try-it page answers in a browser what the API answers to programs, without a script."""

import base64
import re

import pytest
from django.test import Client

from inference.ct.reading.metaimage import read_volume
from inference.model_service import engine
from inference.models import Feedback, Prediction
from inference.networks.answers import ModelFailed, ModelUnavailable, ServiceBusy, TimedOut
from inference.tests.conftest import picture_file, scan_file
from inference.tests.samples import mha, picture
from inference.web import examples

pytestmark = pytest.mark.django_db
TOKEN = "c" * 32


@pytest.fixture
def browser(fake, folders) -> Client:
    """A browser with a CSRF cookie; nobody is signed in."""
    client = Client(enforce_csrf_checks=True)
    client.cookies["csrftoken"] = TOKEN
    return client


@pytest.fixture
def signed_in(browser, user) -> Client:
    browser.force_login(user)
    browser.cookies["csrftoken"] = TOKEN
    return browser


def slice_body(data: bytes | None = None, **changes) -> dict:
    return {"csrfmiddlewaretoken": TOKEN, "slice-file": picture_file(data), **changes}


def lesion_body(file=None, **changes) -> dict:
    point = {"lesion-x": "1", "lesion-y": "2,5".replace(",", "."), "lesion-z": "\u22120.25"}
    return {"csrfmiddlewaretoken": TOKEN, "lesion-file": file or scan_file(), **point, **changes}


def text(answer) -> str:
    return re.sub(r"\s+", " ", answer.content.decode())


def test_the_page_is_there_for_everybody(browser):
    answer = browser.get("/try")
    assert answer.status_code == 200
    assert "Classify" in text(answer)
    assert "sign in" in text(answer).lower()


def test_an_occlusion_map_is_computed_once_for_a_picture(browser, monkeypatch):
    first = re.sub(r'value="\w{64}"', "", text(browser.post("/try/slice", slice_body())))
    monkeypatch.setattr(type(engine()), "slice_explanation", None)
    assert re.sub(r'value="\w{64}"', "", text(browser.post("/try/slice", slice_body()))) == first
    assert Prediction.objects.count() == 2


def test_a_slice_shows_picture_map_and_meaning(browser):
    page = text(browser.post("/try/slice", slice_body()))
    assert "Answer: adenocarcinoma" in page
    assert page.count("data:image/png;base64,") == 3
    assert "What it does not mean" in page
    assert Prediction.objects.get().endpoint == "try_slice"


def test_a_lesion_shows_three_planes_and_meaning(signed_in):
    page = text(signed_in.post("/try/lesion", lesion_body()))
    assert "50 %" in page
    assert [name in page for name in ("Axial", "Coronal", "Sagittal")] == [True] * 3
    assert "(1, 2.5, -0.25) mm" in page
    assert "no diagnosis" in page


@pytest.mark.parametrize(("probability", "shown"), [(0.9999, "99 %"), (0.0001, "1 %"), (0.126, "13 %")])
def test_no_answer_is_shown_as_certain(signed_in, fake, probability, shown):
    fake.probability = probability
    assert f"<b>{shown}</b>" in text(signed_in.post("/try/lesion", lesion_body()))


def test_a_place_that_is_no_lesion_gets_no_meaning(signed_in, fake):
    """A heart was "72 of 100 like it are called malignant" below the warning that it is no lesion."""
    assert "radiologists would call about" in text(signed_in.post("/try/lesion", lesion_body()))
    fake.lesion_warnings = ["POINT_NOT_IN_LUNG_LESION"]
    page = text(signed_in.post("/try/lesion", lesion_body()))
    assert "radiologists would call" not in page
    assert "nothing, unless you know" in page


@pytest.mark.slow
def test_the_example_needs_no_file(signed_in):
    page = text(signed_in.post("/try/lesion", {"csrfmiddlewaretoken": TOKEN, "example": "1"}))
    assert "made-up chest" in page
    assert "data:image/png" in page


@pytest.mark.slow
def test_the_example_is_a_real_file_with_its_nodule(tmp_path):
    with examples.phantom_file() as path:
        volume = read_volume(path)
    x, y, z = examples.phantom().point_xyz_mm
    index = [round(value) for value in volume.grid.voxels_per_mm_xyz @ ([x, y, z] - volume.grid.origin_xyz_mm)]
    assert volume.hu[index[2], index[1], index[0]] > -200


def test_a_lesion_needs_a_sign_in_before_the_body_is_read(browser):
    answer = browser.post("/try/lesion", lesion_body())
    assert (answer.status_code, answer["Location"]) == (302, "/accounts/login/?next=/try")


@pytest.mark.parametrize("url", ["/try/slice", "/try/lesion", "/try/feedback"])
def test_a_post_without_csrf_token_is_refused(signed_in, url):
    assert signed_in.post(url, {}).status_code == 403


@pytest.mark.parametrize("url", ["/try/slice", "/try/lesion"])
def test_a_get_leads_to_the_page(signed_in, url):
    assert signed_in.get(url)["Location"] == "/try"


FAULTS = [
    (ModelUnavailable(), 503), (ServiceBusy(1), 503), (TimedOut(), 504), (ModelFailed(), 422),
]  # fmt: skip


@pytest.mark.parametrize(("error", "status"), FAULTS)
def test_says_why_there_is_no_answer(browser, fake, error, status):
    fake.failing = error
    answer = browser.post("/try/slice", slice_body())
    assert answer.status_code == status
    assert error.note in text(answer)
    assert Prediction.objects.get().status == status


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"lesion-x": "1_0"}, "decimal number"),
        ({"lesion-x": ""}, "decimal number"),
        ({"lesion-z": "500"}, "outside the volume"),
        ({"lesion-file": scan_file(mha(NDims="2"))}, "No answer"),
        ({"lesion-file": ""}, "Choose the volume"),
    ],
)
def test_a_wrong_lesion_says_what_to_change(signed_in, changes, sentence):
    answer = signed_in.post("/try/lesion", lesion_body(**changes))
    assert answer.status_code == 400
    assert sentence in text(answer)


def test_a_picture_too_large_gets_413(browser, settings, folders):
    settings.MAX_PICTURE_BYTES = 100
    assert browser.post("/try/slice", slice_body()).status_code == 413
    assert list((folders / "uploads").iterdir()) == []


def test_the_limit_of_the_api_holds_here_too(browser, settings):
    framework = settings.REST_FRAMEWORK
    settings.REST_FRAMEWORK = {**framework, "DEFAULT_THROTTLE_RATES": {"slice": "1/min"}}
    browser.post("/try/slice", slice_body())
    answer = browser.post("/try/slice", slice_body())
    assert answer.status_code == 429
    assert "Retry-After" in answer


def test_names_are_escaped(browser):
    body = slice_body(**{"slice-file": picture_file(name='"><script>x.png')})
    assert "<script>x" not in text(browser.post("/try/slice", body))


def test_the_feedback_form_asks_for_the_picture_it_needs(browser):
    page = text(browser.get("/try/feedback"))
    label = page[page.index("CT slice") :]
    assert "optional" not in label[: label.index("</label>")]
    assert '<option value="" selected>choose</option>' in page  # no class is taken for granted


def test_a_program_that_fills_in_every_field_is_thanked_and_nothing_kept(browser, folders):
    answer = browser.post("/try/feedback", feedback_body(file=picture_file(), honeypot="http://192.0.2.1/"))
    assert (answer.status_code, answer["Location"]) == (302, "/try")
    assert not Feedback.objects.exists()
    assert not (folders / "kept").exists()


def feedback_body(**changes) -> dict:
    fields = {"predicted_class": "normal", "is_correct": "true", "correct_class": "", "note": ""}
    return {"csrfmiddlewaretoken": TOKEN, **fields, **changes}


def test_feedback_takes_the_picture_that_was_shown(browser):
    shown = base64.b64encode(picture()).decode()
    answer = browser.post("/try/feedback", feedback_body(picture=shown, picture_name="slice.png", confidence="0.7"))
    assert (answer.status_code, answer["Location"]) == (302, "/try")
    row = Feedback.objects.get()
    assert (row.label, row.confidence, row.is_correct) == ("normal", 0.7, True)
    assert row.picture_name.startswith("slice-")


def test_feedback_takes_a_file(signed_in, user):
    body = feedback_body(file=picture_file(), is_correct="false", correct_class="adenocarcinoma")
    assert signed_in.post("/try/feedback", body).status_code == 302
    assert (Feedback.objects.get().label, Feedback.objects.get().user) == ("adenocarcinoma", user)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"picture": "no base64!"},
        {"picture": base64.b64encode(b"no picture").decode()},
        {"file": picture_file(b"<svg/>")},
        {"file": picture_file(), "is_correct": "false"},
        {"file": picture_file(), "is_correct": "false", "correct_class": "normal"},
        {"file": picture_file(), "predicted_class": "cat"},
        {"file": picture_file(), "predicted_class": ""},
        {"file": picture_file(), "note": "x" * 5001},
    ],
)
def test_wrong_feedback_says_what_to_change_and_keeps_nothing(browser, changes):
    answer = browser.post("/try/feedback", feedback_body(**changes))
    assert answer.status_code == 400
    assert "Not sent" in text(answer)
    assert not Feedback.objects.exists()
