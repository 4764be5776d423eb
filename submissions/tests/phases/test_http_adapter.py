"""How an image says it wants to be driven: its endpoint, port, adapter and contract; rows A8, A9."""

import json

import pytest
from django.test import Client

from lunasite.http.errors import ApiError
from submissions.models import Submission
from submissions.phases.http_adapter import checked_adapter, checked_endpoint, checked_folders, checked_port
from submissions.tests.factories import make_dataset, make_member, make_phase
from submissions.tests.sent_images import URL, image, refused

pytestmark = pytest.mark.django_db


@pytest.fixture
def client():
    client = Client()
    client.force_login(make_member())
    return client


@pytest.fixture
def phase():
    return make_phase()


ENDPOINTS = [
    "http://169.254.169.254/",
    "https://example.org/x",
    "file:///etc/passwd",
    "//evil",
    "//evil/x",
    "http://127.0.0.1:9000",
    "http://[::1]",
    "http://2130706433/",
    "http://a@b/",
    "@evil",
    "predict",
    "../x",
    "/../x",
    "/x/../y",
    "/x y",
    "/x\nHost: evil",
    "/x\n",
    "/x\r\n",
    "/x?y=1",
    "/x#y",
    "/x%2f",
    "\\\\evil",
    "/é",
    "/" + "x" * 201,
    "/x\0",
    "gopher://x",
    " /x",
]


@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_an_endpoint_is_a_path_and_nothing_else(client, phase, settings, endpoint: str, monkeypatch):
    monkeypatch.setattr("socket.socket.connect", lambda *_: pytest.fail("a socket was opened"))
    fields = {"phase": phase.slug, "model_endpoint": endpoint}
    refused(client.post(URL, fields | {"file": image()}), 400, "INVALID_ENDPOINT", settings)
    adapter = {"phase": phase.slug, "adapter": json.dumps({"path": endpoint})}
    refused(client.post(URL, adapter | {"file": image()}), 400, "INVALID_ENDPOINT", settings)


@pytest.mark.slow
@pytest.mark.parametrize("endpoint", ["", "/", "/predict", "/api/v1/predict/lesion", "/" + "x" * 200])
def test_a_path_is_kept(client, phase, endpoint: str):
    body = client.post(URL, {"phase": phase.slug, "file": image(), "model_endpoint": endpoint}).json()
    assert body["model_endpoint"] == endpoint


@pytest.mark.parametrize("port", [0, 65536, -1, "8000abc", "０", 80.5, True, [80], "1e3", " 80"])
def test_a_port_is_a_port(client, phase, settings, port):
    fields = {"phase": phase.slug, "file": image(), "adapter": json.dumps({"port": port})}
    refused(client.post(URL, fields), 400, "INVALID_PORT", settings)


@pytest.mark.parametrize(("port", "expected"), [(1, 1), (65535, 65535), ("1", 1), ("65535", 65535), ("00080", 80)])
def test_a_port_runs_from_1_to_65535(port, expected):
    assert checked_port(port) == expected
    assert checked_adapter({"port": port}) == {"port": expected}


@pytest.mark.parametrize("port", ["", "65536", "99999", "100000", "0", "00000", None, False, 1.0])
def test_a_port_beyond_is_refused(port):
    with pytest.raises(ApiError) as caught:
        checked_port(port)
    assert (caught.value.status_code, caught.value.error_code) == (400, "INVALID_PORT")


def adapter_of(chars):
    return '{"port": 80' + " " * (chars - len('{"port": 80}')) + "}"


def test_an_adapter_has_at_most_4096_characters():
    assert checked_adapter(adapter_of(4096)) == {"port": 80}
    with pytest.raises(ApiError, match="longer than 4096"):
        checked_adapter(adapter_of(4097))


@pytest.mark.parametrize(
    ("name", "longest", "longer"),
    [
        ("path", "/" + "x" * 200, "/" + "x" * 201),
        ("bearer_token", "~" * 512, "~" * 513),
        ("probability_path", "x" * 64, "x" * 65),
        ("probability_path", "x" + ".x" * 7, "x" + ".x" * 8),
    ],
)
def test_texts_of_an_adapter_have_a_longest(name, longest, longer):
    assert checked_adapter({name: longest}) == {name: longest}
    with pytest.raises(ApiError):
        checked_adapter({name: longer})


@pytest.mark.parametrize("nothing", ["", " ", None, {}, "{}", " \n", {"port": None, "path": "", "omit": []}])
def test_an_adapter_of_nothing_is_empty(nothing):
    assert checked_adapter(nothing) == {}
    assert checked_endpoint(None) == ""


@pytest.mark.parametrize(
    "adapter",
    [
        "not json",
        "[]",
        "3",
        '"x"',
        "{'port': 1}",
        '{"ports": 1}',
        '{"file_field": "data"}',
        '{"field_names": "snake"}',
        '{"bearer_token": "a\\r\\nX-Evil: 1"}',
        '{"bearer_token": 7}',
        '{"bearer_token": "' + "x" * 513 + '"}',
        '{"omit": ["seriesInstanceUID"]}',
        '{"omit": [[]]}',
        '{"probability_path": "a..b"}',
        '{"probability_path": "__class__[0]"}',
        "[" * 3000,
        '{"omit": ' + "[" * 2000 + "]" * 2000 + "}",
        '{"port": NaN}',
        '{"port": 9000, "port": 9001}',
        '{"x": "' + "y" * 5000 + '"}',
    ],
)
def test_an_unusable_adapter_is_named(client, phase, settings, adapter: str):
    refused(
        client.post(URL, {"phase": phase.slug, "file": image(), "adapter": adapter}), 400, "INVALID_ADAPTER", settings
    )


@pytest.mark.slow
def test_an_adapter_is_kept_without_its_empty_entries(client, phase):
    adapter = {
        "port": "9000", "path": "/infer", "bearer_token": "s3cret", "file_field": "image", "field_names": "csv",
        "omit": ["patientID", "gender"], "probability_path": "data.2.probability",
    }  # fmt: skip
    sent = json.dumps(adapter | {"port": 9000})
    body = client.post(URL, {"phase": phase.slug, "file": image(), "adapter": sent, "contract": "http"}).json()

    assert body["adapter"] == adapter | {"port": 9000, "omit": ["gender", "patientID"]}
    empty = client.post(URL, {"phase": phase.slug, "file": image(), "adapter": '{"port": "", "omit": []}'})
    assert empty.json()["adapter"] == {}


@pytest.mark.slow
def test_the_contract_is_one_of_two(client, phase, settings):
    fields = {"phase": phase.slug, "file": image(), "contract": "ftp"}
    refused(client.post(URL, fields), 400, "VALIDATION_ERROR", settings)
    assert client.post(URL, fields | {"contract": "batch", "file": image()}).json()["contract"] == "batch"


@pytest.mark.slow
def test_a_phase_of_slices_takes_no_batch(client, settings):
    phase = make_phase(make_dataset(truth=[0, 1, 2, 3], kind="slice"))
    refused(
        client.post(URL, {"phase": phase.slug, "file": image(), "contract": "batch"}), 400, "VALIDATION_ERROR", settings
    )
    assert client.get(f"/api/v1/phases/{phase.slug}").json()["container"]["contracts"] == ["http"]
    page = client.get(f"/phases/{phase.slug}/").content.decode()
    assert "Grand Challenge batch" not in page
    answer = client.post(f"/phases/{phase.slug}/submit-image/", {"file": image(), "contract": "batch"})
    assert (answer.status_code, Submission.objects.count()) == (400, 0)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("", []), (None, []), ([], []), ("/data", ["/data"]), ("/data\n/srv/x/ , /data", ["/data", "/srv/x"]),
        ('["/a.b/c-d"]', ["/a.b/c-d"]), (["/opt/app"], ["/opt/app"]),
    ],
)  # fmt: skip
def test_writable_folders_are_absolute_paths(given, expected):
    assert checked_folders(given) == expected


@pytest.mark.parametrize(
    "given",
    [
        "data", "/", "//", "/etc", "/etc/x", "/data/../etc", "/proc/self", "/tmp", "/tmp/x", "/usr", "/a b:/c", "/a:/b",
        "/a,b:rw", 7, {"a": 1}, [1], ["/a\x00"], "/" + "x" * 300, [f"/d{number}" for number in range(9)], "/data/..",
        "/input", "/output", "/opt/ml/model", "/dev/shm", "/x\u202e",
    ],
)  # fmt: skip
def test_other_folders_are_refused(given):
    with pytest.raises(ApiError) as caught:
        checked_folders(given)
    assert caught.value.error_code == "INVALID_FOLDER"


@pytest.mark.parametrize("given", ["['/data/cache']", '["/data/cache",]', '["/data"' + " " * 5000])
def test_a_list_of_folders_that_is_no_json_is_not_called_the_adapter(given):
    """As Python prints a list."""
    with pytest.raises(ApiError, match=r'\["/data/cache"\], or the paths one a line') as caught:
        checked_folders(given)
    assert (caught.value.error_code, caught.value.details["field"]) == ("INVALID_FOLDER", "writable_folders")
