"""POST /api/v1/predict/lesion keeps its contract (docs/api.md)."""

from datetime import timedelta
from pathlib import Path

import pytest
from axes.models import AccessAttempt
from django.utils import timezone
from knox.models import get_token_model
from rest_framework.test import APIClient

from inference.ct.geometry import PointOutsideScan
from inference.models import Prediction
from inference.networks.answers import ModelFailed, ModelUnavailable, ServiceBusy, TimedOut
from inference.tests.conftest import lesion, scan_file
from inference.tests.samples import VOXELS, mha
from lunasite.http.lockout import locked_for_s
from lunasite.http.models import CallCount

URL = "/api/v1/predict/lesion"
pytestmark = pytest.mark.django_db


def refusal(answer) -> tuple[int, str]:
    return answer.status_code, answer.json()["error_code"]


@pytest.mark.parametrize("url", [URL, f"{URL}/", "/apitest/v1/predict/lesion", "/apitest/v1/predict/lesion/"])
def test_answers_with_exactly_the_promised_keys(api, url):
    answer = api.post(url, lesion())
    assert answer.status_code == 200
    body = answer.json()
    assert body["status"] == "success"
    milliseconds = body["data"].pop("processingTimeMs")
    assert type(milliseconds) is int
    assert milliseconds >= 0
    assert body["data"] == {
        "seriesInstanceUID": "1.2.3", "lesionID": 7, "probability": 0.5, "predictionLabel": 1,
    }  # fmt: skip
    trust = {"warnings", "estimatedDiameterMm", "probabilityInterval"}
    assert set(body) == {"status", "data", "modelVersion", "requestId", *trust}


@pytest.mark.parametrize(("probability", "label"), [(0.0, 0), (0.4999999, 0), (0.5, 1), (1.0, 1)])
def test_labels_from_one_half(api, fake, probability, label):
    fake.probability = probability
    assert api.post(URL, lesion()).json()["data"]["predictionLabel"] == label


def test_takes_an_mhd_with_its_data_file(api):
    header = scan_file(mha(b"", ElementDataFile="scan.raw"), "scan.MHD")
    assert api.post(URL, lesion(header, rawFile=scan_file(VOXELS, "scan.raw"))).status_code == 200


GOOD = [
    {"lesionID": "0"}, {"lesionID": "007"}, {"coordX": "-0.5"}, {"coordX": "+7.4"}, {"coordX": ".5"},
    {"coordX": "5."}, {"coordX": "1E-3"}, {"seriesInstanceUID": "a" * 64}, {"seriesInstanceUID": "A.b_c-9"},
    {"patientID": "P 1"}, {"studyDate": "20240229"}, {"ageAtStudyDate": "0"}, {"ageAtStudyDate": "130"},
    {"gender": "Male"}, {"gender": "Female"}, {"patientID": ""}, {"studyDate": ""}, {"ageAtStudyDate": ""},
    {"gender": ""}, dict.fromkeys(("patientID", "studyDate", "ageAtStudyDate", "gender"), ""),
    {"unknown": "is ignored"}, {"score": "1", "user": "2"},
]  # fmt: skip


@pytest.mark.parametrize("changes", GOOD, ids=str)
def test_takes(api, changes):
    assert api.post(URL, lesion(**changes)).status_code == 200


NUMBERS = [
    "",
    " ",
    "1 ",
    "abc",
    "nan",
    "inf",
    "-inf",
    "1e999",
    "1_0",
    "１",
    "0x10",
    "1,5",
    "1\n",
    "--1",
    "1e",
    "9" * 50,
]
WHOLES = ["", "-1", "1.0", "1e3", "+1", " 1", "1_0", "１", "²", "9" * 19, "null"]
BAD = [
    *[{name: value} for name in ("coordX", "coordY", "coordZ") for value in NUMBERS],
    *[{"lesionID": value} for value in WHOLES],
    *[{"seriesInstanceUID": value} for value in ("", "a" * 65, "a b", "a/b", "a\n", "ä", "../x", "a\x00")],
    *[{"studyDate": value} for value in (" ", "20230229", "20241301", "2024-01-01", "00000101", "２０２４０１０１")],
    *[{"ageAtStudyDate": value} for value in (" ", "131", "-1", "63Y", "6.5")],
    *[{"gender": value} for value in (" ", "male", "M", "MALE", "Male ", "Other")],
    *[{"patientID": value} for value in ("x" * 129, "a\x00b")],
    *[{name: None} for name in ("lesionID", "coordX", "coordY", "coordZ", "seriesInstanceUID")],
    *[{name: ["1", "1"]} for name in ("lesionID", "coordX", "seriesInstanceUID")],
]


@pytest.mark.parametrize("changes", BAD, ids=str)
def test_refuses_a_wrong_parameter_and_names_it(api, fake, changes):
    answer = api.post(URL, lesion(**changes))
    assert refusal(answer) == (400, "VALIDATION_ERROR")
    assert answer.json()["details"]["field"] == next(iter(changes))
    assert fake.seen == []


@pytest.mark.parametrize("changes", [{"coordX": "8"}, {"coordY": "-0.51"}, {"coordZ": "1e300"}], ids=str)
def test_refuses_a_coordinate_outside_the_volume(api, changes):
    answer = api.post(URL, lesion(**changes))
    assert refusal(answer) == (400, "VALIDATION_ERROR")
    assert answer.json()["details"] == {"field": "coordX", "reason": "POINT_OUTSIDE_SCAN"}
    assert answer.json()["message"] == PointOutsideScan.note


FILE_SETS = [
    (lambda: {"file": None}, "FILE_REQUIRED"),
    (lambda: {"file": "text, not a file"}, "FILE_REQUIRED"),
    (lambda: {"file": scan_file(name="scan.nii")}, "FILE_ENDING"),
    (lambda: {"file": scan_file(name="scan")}, "FILE_ENDING"),
    (lambda: {"file": scan_file(name="scan.mha.exe")}, "FILE_ENDING"),
    (lambda: {"file": scan_file(b"")}, "HEADER_FORMAT"),
    (lambda: {"file": scan_file(mha(b"", ElementDataFile="a.raw"), "a.mhd")}, "FILE_SET"),
    (lambda: {"file": scan_file(VOXELS, "a.raw")}, "FILE_SET"),
    (lambda: {"file": None, "rawFile": scan_file(VOXELS, "a.raw")}, "FILE_SET"),
    (lambda: {"file": scan_file(), "rawFile": scan_file(VOXELS, "a.raw")}, "FILE_SET"),
    (lambda: {"file": scan_file(), "rawFile": scan_file(), "third": scan_file()}, "FILE_SET"),
    (lambda: {"file": [scan_file(), scan_file()]}, "FILE_SET"),
]


@pytest.mark.parametrize(("make", "reason"), FILE_SETS)
def test_refuses_a_wrong_set_of_files(api, make, reason):
    changes = make()
    body = {**lesion(), **changes}
    answer = api.post(URL, {name: value for name, value in body.items() if value is not None})
    assert refusal(answer) == (400, "INVALID_FILE_FORMAT")
    assert answer.json()["details"]["reason"] == reason


def expired(user) -> str:
    return get_token_model().objects.create(user, expiry=timedelta(seconds=-1))[1]


def revoked(user) -> str:
    instance, token = get_token_model().objects.create(user)
    instance.delete()
    return token


def deactivated(user) -> str:
    user.is_active = False
    user.save()
    return get_token_model().objects.create(user)[1]


@pytest.mark.parametrize("make", [lambda _: "", lambda _: "x" * 64, lambda _: "ü", expired, revoked, deactivated])
def test_refuses_a_bad_token(anonymous, user, fake, folders, make):
    anonymous.credentials(HTTP_AUTHORIZATION=f"Bearer {make(user)}")
    answer = anonymous.post(URL, lesion())
    assert refusal(answer) == (401, "UNAUTHORIZED")
    assert answer["WWW-Authenticate"] == "Bearer"
    assert not Prediction.objects.exists()


def test_refuses_without_a_token(anonymous):
    assert refusal(anonymous.post(URL, lesion())) == (401, "UNAUTHORIZED")


def test_takes_the_older_token_prefix(api, token):
    api.credentials(HTTP_AUTHORIZATION=f"Token {token}")
    assert api.post(URL, lesion()).status_code == 200


def test_a_session_needs_csrf(anonymous, user, fake, folders):
    anonymous.force_login(user)
    assert refusal(anonymous.post(URL, lesion())) == (403, "FORBIDDEN")
    anonymous.cookies["csrftoken"] = "c" * 32
    assert anonymous.post(URL, lesion(), HTTP_X_CSRFTOKEN="c" * 32).status_code == 200


def log_in_wrongly(times: int, login: str = "ann", address: str = "127.0.0.1") -> None:
    """Try wrong passwords, as somebody else would, without the account's token."""
    stranger = APIClient(REMOTE_ADDR=address)
    for _ in range(times):
        answer = stranger.post("/api/v1/auth/token", {"username": login, "password": "wrong"})
        assert refusal(answer) == (401, "UNAUTHORIZED")


@pytest.fixture
def soon_locked(settings):
    settings.AXES_FAILURE_LIMIT = 3


@pytest.mark.parametrize("login", ["ann", "ANN", "ann@example.org"])
def test_refuses_the_account_that_failed_logins_have_locked(api, settings, soon_locked, login):
    log_in_wrongly(settings.AXES_FAILURE_LIMIT, login)
    answer = api.post(URL, lesion())
    assert refusal(answer) == (403, "FORBIDDEN")
    assert answer.json()["details"]["reason"] == "ACCOUNT_LOCKED"
    assert 0 < int(answer["Retry-After"]) <= settings.AXES_COOLOFF_TIME.total_seconds()


def test_opens_the_account_when_the_lock_has_passed(api, settings, soon_locked):
    log_in_wrongly(settings.AXES_FAILURE_LIMIT)
    AccessAttempt.objects.update(attempt_time=timezone.now() - settings.AXES_COOLOFF_TIME)
    assert api.post(URL, lesion()).status_code == 200


@pytest.mark.parametrize("changes", [{"login": "bob"}, {"login": "nobody"}, {"address": "192.0.2.9"}, {"times": 2}])
def test_other_peoples_failed_logins_lock_nobody_else(api, django_user_model, soon_locked, changes):
    django_user_model.objects.create_user("bob")
    log_in_wrongly(**{"times": 3, **changes})
    assert api.post(URL, lesion()).status_code == 200


def test_asks_once_whether_an_account_is_locked(rf, user, django_assert_num_queries):
    request = rf.post(URL)
    request.user = user
    with django_assert_num_queries(1):
        assert locked_for_s(request) is None


def with_rates(settings, **rates: str) -> None:
    framework = settings.REST_FRAMEWORK
    settings.REST_FRAMEWORK = {
        **framework, "DEFAULT_THROTTLE_RATES": {**framework["DEFAULT_THROTTLE_RATES"], **rates}
    }  # fmt: skip


def test_answers_403_over_the_limit_until_the_window_has_passed(api, settings):
    with_rates(settings, lesion="3/min")
    assert [api.post(URL, lesion()).status_code for _ in range(3)] == [200, 200, 200]
    answer = api.post(URL, lesion())
    assert refusal(answer) == (403, "FORBIDDEN")
    assert 55 <= int(answer["Retry-After"]) <= 60
    for count in CallCount.objects.all():
        count.times = [[at - 61, number] for at, number in count.times]
        count.save()
    assert api.post(URL, lesion()).status_code == 200


def test_the_limit_is_each_users_own(api, settings, django_user_model):
    with_rates(settings, lesion="1/min")
    api.post(URL, lesion())
    other = django_user_model.objects.create_user("bob")
    api.credentials(HTTP_AUTHORIZATION=f"Bearer {get_token_model().objects.create(other)[1]}")
    assert api.post(URL, lesion()).status_code == 200


FAILURES = [
    (ModelFailed(), 422, "PROCESSING_ERROR", None),
    (ModelUnavailable(), 503, "MODEL_UNAVAILABLE", "30"),
    (ServiceBusy(4), 503, "TRY_AGAIN", "4"),
    (TimedOut(), 504, "GATEWAY_TIMEOUT", None),
    (OSError(28, "No space left on device", "/var/tmp/x"), 503, "TRY_AGAIN", "60"),
    (RuntimeError("boom in /srv/models/x.py"), 500, "INTERNAL_SERVER_ERROR", None),
]


@pytest.mark.parametrize(("error", "status", "code", "retry"), FAILURES)
def test_answers_each_failure_of_the_model_in_its_own_way(api, fake, error, status, code, retry):
    fake.failing = error
    answer = api.post(URL, lesion())
    assert refusal(answer) == (status, code)
    assert answer.get("Retry-After") == retry
    assert "/srv" not in answer.content.decode()
    assert "/var" not in answer.content.decode()
    logged = Prediction.objects.get()
    assert (logged.status, logged.error_code) == (status, code)


def test_a_500_holds_a_request_id_and_nothing_else(api, fake):
    fake.failing = RuntimeError("secret")
    body = api.post(URL, lesion()).json()
    assert set(body["details"]) == {"requestId"}
    assert "secret" not in str(body)


@pytest.mark.parametrize("method", ["get", "put", "patch", "delete"])
def test_answers_405(api, method):
    assert refusal(getattr(api, method)(URL)) == (405, "METHOD_NOT_ALLOWED")


@pytest.mark.parametrize(
    "path", ["/api/v1/predict", "/api/v1/predict/lesions", "/apitest/v1/x", "/api/v1/predict/lesion/1"]
)
def test_answers_404_in_json(api, path):
    assert refusal(api.post(path)) == (404, "NOT_FOUND")


def test_answers_415(api):
    assert refusal(api.post(URL, {"lesionID": 1}, format="json")) == (415, "UNSUPPORTED_MEDIA_TYPE")


def test_answers_400_to_broken_multipart(api):
    answer = api.post(URL, b"--x\r\nnonsense", content_type="multipart/form-data")
    assert refusal(answer) == (400, "VALIDATION_ERROR")


def test_answers_json_whatever_the_caller_accepts(api):
    assert api.post(URL, lesion(), HTTP_ACCEPT="text/html").status_code == 200


def test_logs_who_what_and_how_long_but_nothing_of_the_patient(api, user):
    api.post(URL, lesion(patientID="P-SECRET", studyDate="20240131", ageAtStudyDate="63", gender="Male"))
    row = Prediction.objects.values().get()
    assert (row["user_id"], row["endpoint"], row["status"]) == (user.pk, "lesion", 200)
    assert (row["model_version"], row["statistics"]) == ("fake-1", {"hu_mean": -512.0})
    assert not any(word in str(row) for word in ("P-SECRET", "20240131", "Male", "1.2.3", "scan.mha"))


@pytest.mark.parametrize("changes", [{}, {"coordX": "99"}, {"lesionID": "x"}], ids=str)
def test_leaves_no_temporary_file(api, folders, changes):
    api.post(URL, lesion(**changes))
    assert list((folders / "uploads").iterdir()) == []


def test_the_model_is_handed_a_file_not_bytes(api, fake, folders):
    api.post(URL, lesion())
    assert Path(fake.seen[0]).parent == folders / "uploads"
