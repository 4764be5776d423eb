"""What the client does where an answer leads elsewhere, or is not what was announced."""

import http.client
import importlib.util
import io

import pytest

from lunasite.tests.client.conftest import CLIENT


@pytest.fixture
def lunasite():
    """The client as a module."""
    spec = importlib.util.spec_from_file_location("lunasite_client", CLIENT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("url", "is_told"),
    [
        ("https://site.example/api/v1/phases", True),
        ("https://site.example.evil.example/api/v1/phases", False),
        ("https://store.example/bucket/part?signature=1", False),
    ],
)
def test_only_the_site_itself_is_told_the_token(lunasite, url, is_told):
    """Addresses come from the site's answers: of images to fetch, of a store to send parts to."""
    site = lunasite.Site("https://site.example", "the-token")
    assert site._request("GET", url, None, None, with_token=True).has_header("Authorization") is is_told


@pytest.mark.parametrize(
    ("sent", "is_kept"), [("../../.ssh/config", "config"), ("..\\..\\run.bat", "run.bat"), ("..", "file"), ("", "file")]
)
def test_a_file_of_the_site_lands_beside_the_others(lunasite, sent, is_kept):
    assert lunasite.safe_name(sent) == is_kept


def test_a_download_that_is_not_what_was_announced_is_not_kept(lunasite, tmp_path, monkeypatch):
    """The runner is executed, and the driver image is loaded."""
    site = lunasite.Site("https://site.example", "")

    def answered(*arguments, **options):
        answer = io.BytesIO(b"another program")
        answer.headers = http.client.HTTPMessage()
        return answer

    monkeypatch.setattr(site, "open", answered)
    with pytest.raises(lunasite.ClientError, match="not what the site announced"):
        site.download("/client/runner.zip", tmp_path / "runner.zip", "0" * 64)
    assert list(tmp_path.iterdir()) == []
    assert site.download("/client/runner.zip", tmp_path / "runner.zip").read_bytes() == b"another program"
