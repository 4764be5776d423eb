"""What answers at the other end is no model service of this version: an error that callers know, never a crash."""

import socket
import threading

import pytest

from inference.networks.answers import ModelFailed, ServiceBusy
from inference.networks.server.remote import RemoteService
from inference.networks.service import ServiceConfig
from inference.networks.worker.local import LocalService

# Of a later version: a field more than this one knows.
NEWER = b'{"answer": {"device": "cpu", "models": [], "queue": 3}}'
OTHER_ENDS = {
    "another program": b"SSH-2.0-OpenSSH_9.6\r\n",
    "another web server": b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
    "a list": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]",
    "a later version": b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(NEWER), NEWER),
    "one that dies": b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n{",
}


@pytest.fixture(params=OTHER_ENDS.values(), ids=OTHER_ENDS)
def service(request):
    """A service whose server answers these bytes to whatever it is sent."""
    listener = socket.create_server(("127.0.0.1", 0))

    def answer():
        try:
            while True:
                client, _ = listener.accept()
                with client:
                    client.recv(65536)
                    client.sendall(request.param)
        except OSError:
            return

    threading.Thread(target=answer, daemon=True).start()
    yield RemoteService(ServiceConfig(server_url=f"http://127.0.0.1:{listener.getsockname()[1]}"))
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()


def test_its_models_are_not_loaded(service):
    assert not service.status().all_loaded


def test_a_call_is_tried_again_later(service, tmp_path):
    (tmp_path / "a.png").write_bytes(b"x")
    with pytest.raises(ServiceBusy):
        service.clean_picture(tmp_path / "a.png", 5)


def test_a_process_whose_answer_is_none_has_failed(monkeypatch, tmp_path):
    service = LocalService(ServiceConfig())
    monkeypatch.setattr(service.process, "ask", lambda request, timeout_s: {"answer": {"png": 3}})
    with pytest.raises(ModelFailed):
        service.clean_picture(tmp_path / "a.png", 5)
