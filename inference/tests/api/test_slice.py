"""POST /predict and the batch forms keep their contract (docs/api.md)."""

import json

import pytest

from inference.ct.geometry import PointOutsideScan
from inference.models import DriftRow, Prediction
from inference.networks.answers import ModelUnavailable, ServiceBusy
from inference.slice_classes import SLICE_CLASSES
from inference.tests.conftest import lesion, picture_file, scan_file
from inference.tests.samples import mha

pytestmark = pytest.mark.django_db
LESIONS = [
    {"lesionID": 1, "coordX": 1, "coordY": 2.5, "coordZ": 3},
    {"lesionID": 2, "coordX": 0, "coordY": 0, "coordZ": 0},
]


@pytest.mark.slow
@pytest.mark.parametrize("url", ["/predict", "/predict/", "/api/v1/predict/ct", "/api/v1/predict/ct/"])
def test_answers_with_exactly_the_promised_keys(api, url):
    answer = api.post(url, {"file": picture_file()})
    assert answer.status_code == 200
    assert answer.json() == {
        "pred_index": 0,
        "pred_class": "adenocarcinoma",
        "confidence": 0.7,
        "probabilities": dict(zip(SLICE_CLASSES, (0.7, 0.1, 0.1, 0.1), strict=True)),
        "warnings": [],
        "modelVersion": "fake-1",
    }


def test_is_open_to_everybody_without_csrf(anonymous, fake, folders):
    assert anonymous.post("/predict", {"file": picture_file()}).status_code == 200
    row = Prediction.objects.get()
    assert row.user is None
    assert "127.0.0.1" not in row.caller


def test_needs_a_token_where_the_site_says_so(anonymous, fake, folders, settings, token):
    settings.PREDICT_NEEDS_TOKEN = True
    assert anonymous.post("/predict", {"file": picture_file()}).status_code == 401
    anonymous.credentials(HTTP_AUTHORIZATION=f"Bearer {token}")
    assert anonymous.post("/predict", {"file": picture_file()}).status_code == 200


def test_a_bad_token_is_refused_even_where_none_is_needed(anonymous):
    anonymous.credentials(HTTP_AUTHORIZATION="Bearer nonsense")
    assert anonymous.post("/predict", {"file": picture_file()}).status_code == 401


def test_a_session_needs_csrf_even_where_strangers_do_not(anonymous, user):
    anonymous.force_login(user)
    assert anonymous.post("/predict", {"file": picture_file()}).status_code == 403


@pytest.mark.parametrize("body", [{}, {"file": "text"}, {"picture": "x"}])
def test_refuses_a_body_without_a_file(api, body):
    answer = api.post("/predict", body)
    assert (answer.status_code, answer.json()["error_code"]) == (400, "INVALID_FILE_FORMAT")
    assert answer.json()["detail"] == answer.json()["message"]


def test_answers_503_without_a_model_and_drifts_not(api, fake):
    fake.failing = ModelUnavailable()
    answer = api.post("/predict", {"file": picture_file()})
    assert (answer.status_code, answer.json()["error_code"]) == (503, "MODEL_UNAVAILABLE")
    assert not DriftRow.objects.exists()


WORDS = [
    ("/predict", b"", "Empty file"), ("/predict", b"", "Invalid image"), ("/predict", b"no picture", "Invalid image"),
    ("/feedback", b"no picture", "Invalid image"), ("/feedback", b"", "Empty file"),
]  # fmt: skip


@pytest.mark.parametrize(("url", "data", "words"), WORDS)
def test_says_the_words_that_older_clients_look_for(api, url, data, words):
    fields = {"predicted_class": "normal", "is_correct": "true"} if url == "/feedback" else {}
    answer = api.post(url, {"file": picture_file(data), **fields})
    assert answer.status_code == 400
    assert words in answer.json()["detail"]


def test_says_model_not_loaded_as_older_clients_read_it(api, fake):
    fake.failing = ModelUnavailable()
    assert "Model not loaded" in api.post("/predict", {"file": picture_file()}).json()["detail"]


@pytest.mark.parametrize("method", ["get", "put", "delete"])
@pytest.mark.parametrize("url", ["/predict", "/feedback", "/api/v1/predict/ct/batch"])
def test_answers_405(api, url, method):
    answer = getattr(api, method)(url)
    assert (answer.status_code, answer.json()["error_code"]) == (405, "METHOD_NOT_ALLOWED")


def test_answers_429_over_the_limit(api, settings):
    framework = settings.REST_FRAMEWORK
    settings.REST_FRAMEWORK = {**framework, "DEFAULT_THROTTLE_RATES": {"slice": "1/min"}}
    api.post("/predict", {"file": picture_file()})
    answer = api.post("/predict", {"file": picture_file()})
    assert (answer.status_code, answer.json()["error_code"]) == (429, "TOO_MANY_REQUESTS")
    assert 0 < int(answer["Retry-After"]) <= 60


def test_each_answer_leaves_a_drift_row_in_file_and_table(api, fake, settings):
    fake.slice_warnings = ["LOW_RANGE"]
    api.post("/predict", {"file": picture_file()})
    row = DriftRow.objects.get()
    assert (row.width, row.height, row.pred_class, row.pred_conf) == (64, 48, "adenocarcinoma", 0.7)
    assert row.warnings == "LOW_RANGE"
    header, line = settings.DRIFT_CURRENT_PATH.read_text().splitlines()
    assert header == "timestamp,mean,std,min,max,p01,p50,p99,height,width,pred_index,pred_class,pred_conf,warnings"
    assert line.endswith(",48,64,0,adenocarcinoma,0.7,LOW_RANGE")
    assert line.split(",")[0].endswith("+00:00")


def test_a_drift_file_that_cannot_be_written_spoils_no_answer(api, settings, tmp_path):
    (tmp_path / "file").touch()
    settings.DRIFT_CURRENT_PATH = tmp_path / "file" / "current.csv"
    assert api.post("/predict", {"file": picture_file()}).status_code == 200


def test_a_batch_of_slices_answers_in_order_and_fails_one_by_one(api):
    files = [picture_file(), picture_file(b"no picture"), picture_file()]
    answer = api.post("/api/v1/predict/ct/batch", {"file": files})
    results = answer.json()["results"]
    assert [result["status"] for result in results] == ["success", "error", "success"]
    assert results[0]["data"]["pred_class"] == "adenocarcinoma"
    assert results[1]["details"]["reason"] == "IMAGE_FORMAT"
    assert Prediction.objects.get().items == 3


@pytest.mark.parametrize(("number", "status"), [(0, 400), (16, 200), (17, 400)])
def test_a_batch_of_slices_is_bounded(api, number, status):
    assert api.post("/api/v1/predict/ct/batch", {"file": [picture_file() for _ in range(number)]}).status_code == status


def test_a_batch_stops_where_the_service_does(api, fake):
    fake.failing = ServiceBusy(2)
    assert api.post("/api/v1/predict/ct/batch", {"file": [picture_file()]}).status_code == 503


def lesions(rows: object, **changes) -> dict:
    body = lesion(lesionID=None, coordX=None, coordY=None, coordZ=None)
    return {**body, "lesions": rows if isinstance(rows, str) else json.dumps(rows), **changes}


def test_a_batch_of_lesions_reads_one_volume_once(api, fake):
    answer = api.post("/api/v1/predict/lesion/batch", lesions(LESIONS))
    assert answer.status_code == 200
    data = answer.json()["data"]
    assert [row["lesionID"] for row in data] == [1, 2]
    trust = {"warnings", "estimatedDiameterMm", "probabilityInterval"}
    assert set(data[0]) == {
        "seriesInstanceUID", "lesionID", "probability", "predictionLabel", "processingTimeMs", *trust,
    }  # fmt: skip
    assert len(fake.seen) == 1


DEEP = "[" * 20000
BAD_LISTS = [
    "", "x", "{}", "[]", "null", "[1]", "[null]", "[[]]", '[{"lesionID": NaN}]', DEEP, LESIONS * 51,
    '[{"lesionID": 1, "lesionID": 2, "coordX": 0, "coordY": 0, "coordZ": 0}]',
    [{**LESIONS[0], "lesionID": True}], [{**LESIONS[0], "lesionID": "1"}], [{**LESIONS[0], "lesionID": -1}],
    [{**LESIONS[0], "coordX": None}], [{**LESIONS[0], "coordX": "1"}], [{**LESIONS[0], "lesionID": 1.0}],
    '[{"lesionID": 1, "coordX": 1e999, "coordY": 0, "coordZ": 0}]', [{"lesionID": 1}],
    '[{"lesionID": ' + "9" * 5000 + ', "coordX": 0, "coordY": 0, "coordZ": 0}]',
]  # fmt: skip


@pytest.mark.parametrize("rows", BAD_LISTS, ids=lambda rows: str(rows)[:30])
def test_refuses_a_wrong_list_of_lesions(api, fake, rows):
    answer = api.post("/api/v1/predict/lesion/batch", lesions(rows))
    assert (answer.status_code, answer.json()["error_code"]) == (400, "VALIDATION_ERROR")
    assert answer.json()["details"]["field"] == "lesions"
    assert fake.seen == []


def test_one_bad_point_of_a_batch_fails_alone_and_is_named(api, fake):
    outside = {"lesionID": 3, "coordX": 9000, "coordY": 0, "coordZ": 0}
    rows = [{**LESIONS[1], "coordY": "x"}, LESIONS[0], outside, LESIONS[1], "no lesion"]
    answer = api.post("/api/v1/predict/lesion/batch", lesions(rows))
    assert answer.status_code == 200
    data = answer.json()["data"]
    assert [row.get("probability") for row in data] == [None, 0.5, None, 0.5, None]
    assert [row["lesionID"] for row in data] == [2, 1, 3, 2, None]
    assert [row.get("status") for row in data] == ["error", None, "error", None, "error"]
    assert (data[0]["details"]["row"], data[0]["details"]["column"]) == (0, "coordY")
    assert data[2]["details"] == {"field": "lesions", "row": 2, "reason": "POINT_OUTSIDE_SCAN"}
    assert data[2]["message"] == PointOutsideScan.note
    assert len(fake.seen) == 1
    assert Prediction.objects.get().items == 3  # those that were asked


def test_a_batch_without_any_good_point_is_refused_for_its_first(api, fake):
    rows = [{**LESIONS[1], "coordY": "x"}, {"lesionID": 2}]
    answer = api.post("/api/v1/predict/lesion/batch", lesions(rows))
    assert answer.status_code == 400
    assert (answer.json()["details"]["row"], answer.json()["details"]["column"]) == (0, "coordY")
    everywhere_outside = [{**lesion, "coordX": 9000} for lesion in LESIONS]
    answer = api.post("/api/v1/predict/lesion/batch", lesions(everywhere_outside))
    assert (answer.status_code, answer.json()["details"]["reason"]) == (400, "POINT_OUTSIDE_SCAN")


def test_a_batch_needs_a_token_and_a_good_file(api, anonymous):
    assert anonymous.post("/api/v1/predict/lesion/batch", lesions(LESIONS)).status_code == 401
    bad = lesions(LESIONS, file=scan_file(mha(NDims="2")))
    assert api.post("/api/v1/predict/lesion/batch", bad).json()["details"]["reason"] == "HEADER_DIMS"
