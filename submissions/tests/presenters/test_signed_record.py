"""Signed evaluation records: what a team downloads can be verified, and tampering shows."""

import io
import json

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from submissions.tests.factories import evaluated, make_member

pytestmark = pytest.mark.django_db


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


def verify(path):
    out = io.StringIO()
    call_command("verify_record", str(path), stdout=out)
    return out.getvalue()


def test_a_record_as_it_was_downloaded_is_genuine(signed):
    said = verify(signed)
    assert said.startswith("genuine: submission ")
    assert "team Ångström" in said


def test_a_record_may_be_laid_out_anew(signed):
    signed.write_text(json.dumps(json.loads(signed.read_text()), indent=2))
    assert verify(signed).startswith("genuine")


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
        (lambda answer: answer | {"signature": answer["signature"][::-1]}, "altered"),
        (lambda answer: answer | {"signature": "ü"}, "altered"),
        (lambda answer: answer | {"signature": None}, "no signature"),
        (without("signature"), "no signature"),
        (without("record"), "no record"),
        (lambda answer: [answer], "no record"),
    ],
)
def test_what_was_altered_is_not_genuine(signed, change, reason):
    signed.write_text(json.dumps(change(json.loads(signed.read_text()))))
    with pytest.raises(CommandError, match=f"not genuine: .*{reason}"):
        verify(signed)


def test_a_record_under_another_key_is_not_genuine(signed, settings):
    settings.SECRET_KEY = "another key, as long as a key has to be at least"
    with pytest.raises(CommandError, match="another SECRET_KEY"):
        verify(signed)


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
