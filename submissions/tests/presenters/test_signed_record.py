"""Signed evaluation records: what a team downloads can be verified, and tampering shows."""

import base64
import io
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from submissions.presenters import record_signature
from submissions.tests.factories import evaluated, make_member

pytestmark = [pytest.mark.django_db, pytest.mark.slow]


@pytest.fixture
def signed(tmp_path):
    """The path of a record as the API answers it."""
    member = make_member("ann", team="Ångström")
    submission = evaluated(user=member)
    client = Client()
    client.force_login(member)
    path = tmp_path / "record.json"
    path.write_bytes(client.get(f"/api/v1/submissions/{submission.pk}/record").content)
    return path


@pytest.fixture
def key_file(tmp_path, signed):
    """The path of the site's keys as the API answers them, to anybody."""
    path = tmp_path / "key.json"
    path.write_bytes(Client().get("/api/v1/record-key").content)
    return path


def verify(path, **options):
    out = io.StringIO()
    call_command("verify_record", str(path), stdout=out, **options)
    return out.getvalue()


def test_a_record_as_it_was_downloaded_is_genuine(signed):
    response = verify(signed)
    assert response.startswith("genuine: submission ")
    assert "team Ångström" in response


def test_a_record_may_be_laid_out_anew(signed):
    signed.write_text(json.dumps(json.loads(signed.read_text()), indent=2))
    assert verify(signed).startswith("genuine")


def test_another_language_may_have_written_its_numbers(signed):
    """JSON knows no difference between 1 and 1.0, nor between 0.0000001 and 1e-7; nor does RFC 8785."""
    record = json.loads(signed.read_text())["record"] | {"scores": {"a": 1.0, "b": 1e-7, "é": [0.1, None]}}
    key = record_signature.private_key(base64.urlsafe_b64encode(b"k" * 32).decode())
    text = json.dumps(record_signature.sign(record, key))
    keys = record_signature.by_thumbprint([key.public_key()])
    for written in (text, text.replace(": 1.0,", ": 1,").replace("1e-07", "0.0000001")):
        assert record_signature.verify(written.encode(), keys)["scores"]["a"] == 1


def test_the_published_key_is_enough(signed, key_file, settings):
    settings.RECORD_SIGNING_KEY = settings.SECRET_KEY = "not needed"
    assert verify(signed, key=key_file).startswith("genuine")
    with pytest.raises(CommandError, match="altered"):
        verify(changed_by(signed, with_record(seed=0)), key=key_file)


def test_the_script_of_the_docs_verifies_without_the_site(signed, key_file):
    page = Path(__file__).parents[3] / "docs" / "signed-records.md"
    script = re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL)[0]
    for path, code in ((signed, 0), (changed_by(signed, with_record(seed=0)), 1)):
        done = subprocess.run([sys.executable, "-c", script, path, key_file], capture_output=True, text=True)
        assert done.returncode == code, done.stderr
        assert ("genuine: " in done.stdout) == (code == 0)
        assert ("InvalidSignature" in done.stderr) == (code == 1)


def test_the_thumbprint_is_that_of_rfc_8037():
    """Appendix A.3's key and thumbprint."""
    key = record_signature.public_key("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo")
    assert record_signature.public_jwk(key)["kid"] == "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"


def changed_by(signed, change):
    path = signed.with_name("changed.json")
    path.write_text(json.dumps(change(json.loads(signed.read_text()))))
    return path


def with_record(**changed):
    return lambda answer: answer | {"record": answer["record"] | changed}


def without(name):
    return lambda answer: {key: value for key, value in answer.items() if key != name}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (with_record(seed=0), "altered"),
        (with_record(team="another"), "altered"),
        (with_record(scores={"public": {"auc": 1.0}}), "altered"),
        (with_record(extra=None), "altered"),
        (with_record(extra=2**60), "altered"),
        (with_record(extra="\ud800"), "altered"),
        (with_record(key_id="another"), "altered"),
        (lambda answer: answer | {"signature": answer["signature"][::-1]}, "altered"),
        (lambda answer: answer | {"signature": "ü"}, "altered"),
        (lambda answer: answer | {"signature": None}, "no signature"),
        (without("signature"), "no signature"),
        (without("record"), "no record"),
        (lambda answer: [answer], "no record"),
    ],
)
def test_what_was_altered_is_not_genuine(signed, change, reason):
    with pytest.raises(CommandError, match=f"not genuine: .*{reason}"):
        verify(changed_by(signed, change))


def test_a_record_under_another_key_is_not_genuine_unless_that_key_is_retired(signed, settings):
    old = json.loads(signed.read_text())["public_key"]
    settings.RECORD_SIGNING_KEY = base64.urlsafe_b64encode(b"n" * 32).decode()
    with pytest.raises(CommandError, match="not among the trusted"):
        verify(signed)
    settings.RECORD_RETIRED_KEYS = [old["x"]]
    assert verify(signed).startswith("genuine")
    published = Client().get("/api/v1/record-key").json()["keys"]
    assert [jwk["kid"] for jwk in published][1:] == [old["kid"]]


def test_the_key_inside_a_record_is_not_trusted(signed):
    record = json.loads(signed.read_text())["record"]
    forger = record_signature.private_key(base64.urlsafe_b64encode(b"f" * 32).decode())
    signed.write_text(json.dumps(record_signature.sign(record | {"seed": 0}, forger)))
    with pytest.raises(CommandError, match="not among the trusted"):
        verify(signed)


@pytest.mark.parametrize(
    ("content", "reason"),
    [("[]", "no JSON Web Key"), ('{"keys": [1]}', "no JSON Web Key"), ("{", "is not JSON"),
     ('{"kty": "OKP", "crv": "Ed25519", "x": "AAAA"}', "not 32 bytes"), ('{"keys": []}', "not among the trusted")],
)  # fmt: skip
def test_a_key_file_that_is_none_says_why(signed, tmp_path, content, reason):
    (tmp_path / "key.json").write_text(content)
    with pytest.raises(CommandError, match=reason):
        verify(signed, key=tmp_path / "key.json")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "is not JSON"),
        (b"\xff", "is not JSON"),
        (b'{"record": {}, "record": {}}', "repeats a key"),
        (b'{"record": {"seed": NaN}}', "holds NaN"),
    ],
)
def test_a_file_that_is_no_record_says_why(tmp_path, content, reason):
    path = tmp_path / "record.json"
    path.write_bytes(content)
    with pytest.raises(CommandError, match=reason):
        verify(path)


def test_a_file_that_is_not_there_says_so(tmp_path):
    with pytest.raises(CommandError, match="not read: No such file"):
        verify(tmp_path / "nothing.json")
