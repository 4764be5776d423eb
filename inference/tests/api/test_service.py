"""The real model service behind the API, and proof that the fake one of the other tests behaves like it."""

import time

import pytest

from inference.ct.geometry import PointOutsideScan
from inference.ct.reading.errors import InvalidImageFile
from inference.model_service import engine
from inference.networks import service as service_module
from inference.networks.answers import LesionAnswer, SliceAnswer
from inference.slice_classes import SLICE_CLASSES
from inference.tests.conftest import lesion, picture_file, scan_file
from inference.tests.fake_engine import FakeEngine
from inference.tests.samples import VOXELS, mha, picture
from inference.web import examples

pytestmark = [pytest.mark.django_db, pytest.mark.slow]
URL = "/api/v1/predict/lesion"
VOLUME_LESION = ("56.20840547", "86.34341278", "-115.8675792")


@pytest.fixture(scope="module")
def service():
    """Return the site's own service, warm; it is closed when the module is done."""
    one = engine()
    one.start()
    deadline = time.monotonic() + 120
    while not one.status().all_loaded and time.monotonic() < deadline:
        time.sleep(0.2)
    yield one
    one.close()
    service_module._services.clear()  # a later test that asks gets one that runs


@pytest.fixture
def caller(api, service, monkeypatch):
    """A caller whose calls reach the real service."""
    monkeypatch.setattr("inference.actions.engine", lambda: service)
    return api


def at(point: tuple[str, str, str]) -> dict[str, str]:
    return dict(zip(("coordX", "coordY", "coordZ"), point, strict=True))


def test_answers_for_the_phantom(caller):
    example = examples.phantom()
    x, y, z = (str(value) for value in example.point_xyz_mm)
    answer = caller.post(URL, lesion(scan_file(example.mha), **at((x, y, z))))
    assert answer.status_code == 200, answer.json()
    assert 0 <= answer.json()["data"]["probability"] <= 1
    assert answer.json()["modelVersion"].startswith("lesion-")


def test_answers_for_a_slice_with_probabilities_that_sum_to_one(caller):
    body = caller.post("/predict", {"file": picture_file(picture((128, 128)))}).json()
    assert tuple(body["probabilities"]) == SLICE_CLASSES
    assert sum(body["probabilities"].values()) == pytest.approx(1)
    assert body["confidence"] == max(body["probabilities"].values()) == body["probabilities"][body["pred_class"]]
    assert SLICE_CLASSES[body["pred_index"]] == body["pred_class"]


@pytest.mark.realdata
def test_the_real_nodule_is_suspicious_in_its_volume_and_in_its_cut_out(caller, real_data):
    volume = next((real_data / "volumes").glob("*.mha")).read_bytes()
    nodule = next((real_data / "lidc_nodules").rglob("LIDC-IDRI-0001_1.mha")).read_bytes()
    probabilities = []
    for data in (volume, nodule):
        answer = caller.post(URL, lesion(scan_file(data), **at(VOLUME_LESION)))
        assert answer.status_code == 200, answer.json()
        probabilities.append(answer.json()["data"]["probability"])
    assert probabilities[0] > 0.5
    assert probabilities[0] == pytest.approx(probabilities[1], abs=0.05)


def test_a_late_answer_is_a_504_and_the_next_call_is_served(caller, settings):
    settings.PREDICT_TIMEOUT_SECONDS = 0.001
    answer = caller.post(URL, lesion())
    assert (answer.status_code, answer.json()["error_code"]) == (504, "GATEWAY_TIMEOUT")
    settings.PREDICT_TIMEOUT_SECONDS = 60
    deadline = time.monotonic() + 60
    while (status := caller.post(URL, lesion()).status_code) == 503 and time.monotonic() < deadline:
        time.sleep(0.5)
    assert status == 200


def test_without_models_it_is_a_503_but_feedback_is_still_taken(api, settings, monkeypatch):
    settings.LOAD_MODEL = False
    off = engine()
    monkeypatch.setattr("inference.actions.engine", lambda: off)
    try:
        assert api.post(URL, lesion()).json()["error_code"] == "MODEL_UNAVAILABLE"
        assert api.post("/predict", {"file": picture_file()}).json()["error_code"] == "MODEL_UNAVAILABLE"
        body = {"file": picture_file(), "predicted_class": "normal", "is_correct": "true"}
        assert api.post("/feedback", body).status_code == 200
    finally:
        off.close()


def code_of(call, *arguments) -> object:
    """Return what a call raises, or the type of what it returns."""
    try:
        return type(call(*arguments))
    except InvalidImageFile as error:
        return error.code
    except PointOutsideScan:
        return PointOutsideScan


INSIDE, OUTSIDE = (1.0, 2.0, 3.0), (99.0, 0.0, 0.0)
LESIONS = [
    (mha(), INSIDE, LesionAnswer),
    (mha(), OUTSIDE, PointOutsideScan),
    (mha(NDims="2"), INSIDE, "HEADER_DIMS"),
    (mha(VOXELS[:-1]), INSIDE, "DATA_LENGTH"),
    (mha(VOXELS[:-1]), OUTSIDE, "DATA_LENGTH"),  # the file is judged before the place
    (mha(b"", ElementDataFile="/etc/passwd"), INSIDE, "HEADER_DATA_FILE"),
    (b"", INSIDE, "HEADER_FORMAT"),
    (picture(), INSIDE, "HEADER_FORMAT"),
]


@pytest.mark.parametrize(("data", "point", "outcome"), LESIONS, ids=range(len(LESIONS)))
def test_the_fake_answers_lesions_as_the_real_one_does(service, tmp_path, data, point, outcome):
    path = tmp_path / "scan.mha"
    path.write_bytes(data)
    arguments = (str(path), None, [point], 30.0)
    assert code_of(service.lesion_probability, *arguments) == outcome
    assert code_of(FakeEngine().lesion_probability, *arguments) == outcome


SLICES = [
    (picture(), SliceAnswer),
    (picture((4, 4)), "IMAGE_TOO_SMALL"),
    (b"", "IMAGE_FORMAT"),
    (b"<svg/>", "IMAGE_FORMAT"),
]


@pytest.mark.parametrize(("data", "outcome"), SLICES, ids=range(len(SLICES)))
def test_the_fake_answers_slices_as_the_real_one_does(service, tmp_path, data, outcome):
    path = tmp_path / "slice.png"
    path.write_bytes(data)
    assert code_of(service.slice_probabilities, str(path), 30.0) == outcome
    assert code_of(FakeEngine().slice_probabilities, str(path), 30.0) == outcome


def test_the_fake_measures_a_slice_as_the_real_one_does(service, tmp_path):
    path = tmp_path / "slice.png"
    path.write_bytes(picture())
    real, faked = (vars(item.slice_probabilities(str(path), 30.0).statistics) for item in (service, FakeEngine()))
    assert faked == pytest.approx(real, abs=1e-9)
