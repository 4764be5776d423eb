"""The same calls through a model server: same answers, same errors, and nothing for strangers."""

import http.client
import socket
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from inference.ct.geometry import PointOutsideScan
from inference.ct.phantom import make_phantom
from inference.ct.reading.errors import InvalidImageFile
from inference.ct.writing import write_mha
from inference.networks.answers import ModelUnavailable, ServiceBusy, TimedOut
from inference.networks.config import ServiceConfig
from inference.networks.server.remote import RemoteService
from inference.networks.server.server import ModelServer, Pool, _config_from, _token_from
from inference.networks.service import model_service
from inference.tests.trial_models import config_in, save_trial_models

pytestmark = pytest.mark.slow  # each starts processes that load torch

TIMEOUT_S = 90.0
TOKEN = "a-shared-secret"


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A running server of one process, the folder of its models, a scan, its points and a picture."""
    folder = tmp_path_factory.mktemp("site")
    save_trial_models(folder)
    phantom = make_phantom(2, shape_zyx=(16, 60, 80), spacing_xyz_mm=(4, 4, 2.5))
    write_mha(phantom.volume, folder / "scan.mha")
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (90, 120), dtype=np.uint8)).save(folder / "slice.png")
    server = ModelServer(("127.0.0.1", 0), Pool(config_in(folder), 1), TOKEN)
    server.pool.start()
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield {"folder": folder, "points": [n.point_xyz_mm for n in phantom.nodules], "port": server.server_address[1],
           "server": server}  # fmt: skip
    server.shutdown()
    server.server_close()
    server.pool.close()
    thread.join()


def remote(site, **changes) -> RemoteService:
    options = {"server_url": f"http://127.0.0.1:{site['port']}", "server_token": TOKEN, **changes}
    return RemoteService(config_in(site["folder"], **options))


def test_a_site_with_a_server_url_asks_the_server(site):
    config = config_in(site["folder"], server_url=f"http://127.0.0.1:{site['port']}", server_token=TOKEN)
    assert isinstance(model_service(config), RemoteService)


@pytest.mark.parametrize("end", ["", "\r", " "])
def test_the_server_reads_its_settings_as_the_site_does(end, tmp_path):
    """From an environment file of Windows each value ends in a carriage return, which the site leaves out."""
    (tmp_path / "token").write_text(f"{TOKEN}{end}\n")
    assert _token_from({"MODEL_SERVER_TOKEN": TOKEN + end}) == TOKEN
    assert _token_from({"MODEL_SERVER_TOKEN_FILE": f"{tmp_path / 'token'}{end}"}) == TOKEN
    assert _config_from({"MODEL_PATH": f"~/m.pt{end}"}).model_path == Path.home() / "m.pt"
    assert _config_from({"MODEL_PATH": end}) == ServiceConfig()


def test_a_server_listens_on_ipv6_too():
    with ModelServer(("::1", 0), None, TOKEN) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        client = http.client.HTTPConnection("::1", server.server_address[1], timeout=10)
        client.request("GET", "/v1/status")
        assert client.getresponse().status == 403  # it listens, and answers nobody without the token
        client.close()
        server.shutdown()


def test_answers_are_those_of_the_process(site):
    local = site["server"].pool.services[0]
    scan, picture = site["folder"] / "scan.mha", site["folder"] / "slice.png"
    ours = remote(site).lesion_probability(scan, None, site["points"], TIMEOUT_S)
    theirs = local.lesion_probability(scan, None, site["points"], TIMEOUT_S)
    assert ours.probabilities == theirs.probabilities
    assert remote(site).clean_picture(picture, TIMEOUT_S) == local.clean_picture(picture, TIMEOUT_S)
    assert remote(site).lesion_views(scan, None, site["points"][0], TIMEOUT_S).axial.startswith(b"\x89PNG")
    assert remote(site).status().all_loaded


def test_a_header_and_its_raw_file_both_travel(site, tmp_path):
    content = (site["folder"] / "scan.mha").read_bytes()
    head, _, data = content.partition(b"ElementDataFile = LOCAL\n")
    (tmp_path / "a.mhd").write_bytes(head + b"ElementDataFile = a.zraw\n")
    (tmp_path / "a.zraw").write_bytes(data)
    answer = remote(site).lesion_probability(tmp_path / "a.mhd", tmp_path / "a.zraw", site["points"], TIMEOUT_S)
    assert len(answer.probabilities) == len(site["points"])


def test_errors_arrive_as_themselves(site):
    with pytest.raises(InvalidImageFile) as refusal:
        remote(site).lesion_probability(site["folder"] / "slice.png", None, site["points"], TIMEOUT_S)
    assert refusal.value.code == "HEADER_FORMAT"
    with pytest.raises(PointOutsideScan):
        remote(site).lesion_probability(site["folder"] / "scan.mha", None, [(0, 0, 1e5)], TIMEOUT_S)
    with pytest.raises(TimedOut):
        remote(site).slice_explanation(site["folder"] / "slice.png", 0.001)


def test_strangers_are_refused(site):
    stranger = remote(site, server_token="guess")
    with pytest.raises(ModelUnavailable):
        stranger.slice_probabilities(site["folder"] / "slice.png", TIMEOUT_S)
    assert not stranger.status().all_loaded


@pytest.mark.parametrize(
    "header", ["", "{}", "[]", '{"sizes": [-1], "parameters": {}, "timeout_s": 1}', "nonsense",
               '{"sizes": [99999999999], "parameters": {}, "timeout_s": 1}']
)  # fmt: skip
def test_a_garbled_call_is_an_error_and_the_server_lives(site, header):
    connection = http.client.HTTPConnection("127.0.0.1", site["port"], timeout=10)
    headers = {"X-Lunasite-Call": header, "Authorization": f"Bearer {TOKEN}"}
    connection.request("POST", "/v1/clean_picture", body=b"", headers=headers)
    assert b'"error"' in connection.getresponse().read()
    connection.close()
    assert remote(site).clean_picture(site["folder"] / "slice.png", TIMEOUT_S).statistics.width == 120


def test_a_server_that_is_down_or_silent_is_busy(site):
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(ServiceBusy):
            remote(site, server_url=address).clean_picture(site["folder"] / "slice.png", 1)
        silent.listen(1)
        began = time.monotonic()
        with pytest.raises(TimedOut):
            remote(site, server_url=address).clean_picture(site["folder"] / "slice.png", 0.2)
        assert time.monotonic() - began < 5
        assert not remote(site, server_url=address).status().all_loaded


def test_the_server_leaves_no_file_behind(site, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    remote(site).clean_picture(site["folder"] / "slice.png", TIMEOUT_S)
    with pytest.raises(InvalidImageFile):
        remote(site).clean_picture(site["folder"] / "scan.mha", TIMEOUT_S)
    assert list(tmp_path.iterdir()) == []
