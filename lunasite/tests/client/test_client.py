"""What needs no engine: signing in, reading, checking, submitting a CSV; exit codes and sentences."""

import hashlib
import os
import pty
import socket
import stat
import sys
import time
import uuid
from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone

from lunasite.tests.client.conftest import CLIENT
from submissions import actions
from submissions.models import Submission, Upload
from submissions.tests.factories import csv_bytes, evaluated, make_member, make_phase
from submissions.tests.image_archives import docker_archive
from submissions.uploads import resumable

pytestmark = pytest.mark.slow

OK, REFUSED, USAGE, NOT_ALLOWED, UNREACHED, USED_UP = range(6)


@pytest.fixture
def phase(transactional_db):
    return make_phase(slug="luna", title="Nodules")


@pytest.fixture
def predictions(tmp_path):
    path = tmp_path / "predictions.csv"
    path.write_bytes(csv_bytes())
    return path


def test_a_wrong_token_is_not_kept(lunasite, tmp_path):
    assert lunasite("login", "--token", "wrong").code == NOT_ALLOWED
    assert not (tmp_path / "config").exists()


def test_a_password_becomes_a_token_that_only_its_owner_reads(live_server, member, home, tmp_path, lunasite):
    assert on_a_terminal(["login", "--site", live_server.url, "--username", member.username], "a-long-password", home)
    kept = tmp_path / "config" / "lunasite" / "tokens.json"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert lunasite("watch", uuid.uuid4(), LUNASITE_TOKEN="").code == REFUSED  # signed in, and nothing is there


def test_a_file_whose_name_is_not_utf_8_is_sent(lunasite, phase, tmp_path):
    """As an archive from Windows unpacks it."""
    path = os.fsdecode(os.fsencode(tmp_path) + b"/pr\xe9dictions.csv")
    Path(path).write_bytes(csv_bytes())
    assert lunasite("check", "luna", path).code == OK
    done = lunasite("submit", "luna", path, "--json")
    assert done.code == OK, done.err
    assert Submission.objects.get().original_name == "pr?dictions.csv"


def on_a_terminal(arguments, answer, environment):
    """Run the client on a terminal of its own, answer what it asks, and say whether it ended well."""
    pid, terminal = pty.fork()
    if not pid:
        os.execve(
            sys.executable, [sys.executable, str(CLIENT), *arguments], {"PATH": os.environ["PATH"], **environment}
        )
    read_until(terminal, b"Password:")
    os.write(terminal, answer.encode() + b"\n")
    read_until(terminal, b"token is kept")
    return os.waitpid(pid, 0)[1] == 0


def read_until(terminal, text):
    seen = b""
    while text not in seen:
        seen += os.read(terminal, 1024)


def test_phases_are_listed_and_shown_with_the_line_to_run_an_image(lunasite, phase):
    assert "luna" in lunasite("phases").out
    shown = lunasite("phases", "luna")
    assert "docker run" in shown.out
    assert lunasite("phases", "luna", "--json").json["container"]["limits"]["memory_mib"] == phase.limits().memory_mib


def test_a_phase_that_is_not_there_is_refused_in_the_sites_words(lunasite, phase):
    missing = lunasite("phases", "nowhere", "--json")
    assert missing.code == REFUSED
    assert missing.json["error_code"] == "NOT_FOUND"
    assert missing.json["message"] in missing.err


def test_template_and_made_up_cases_are_fetched(lunasite, phase, tmp_path):
    done = lunasite("data", "luna", "-o", tmp_path / "data")
    assert done.code == OK, done.err
    assert "made up" in done.err
    assert (tmp_path / "data" / "template.csv").read_text().startswith("AnnotationID,probability")
    assert (tmp_path / "data" / "1.mha").read_bytes().startswith(b"ObjectType = Image")


def test_a_good_file_is_fine_and_costs_nothing(lunasite, phase, predictions):
    done = lunasite("check", "luna", predictions)
    assert (done.code, done.err) == (OK, "")
    assert "rows: 10" in done.out
    assert "value columns: probability" in done.out
    assert not Submission.objects.exists()


def test_problems_are_named_with_their_lines(lunasite, phase, predictions):
    predictions.write_bytes(csv_bytes().replace(b"0.3", b"7"))
    done = lunasite("check", "luna", predictions)
    assert done.code == REFUSED
    assert "line 4: probability:" in done.err


def test_a_csv_is_submitted_and_its_scores_read(lunasite, phase, predictions):
    sent = lunasite("submit", "luna", predictions, "--title", "first", "--json")
    assert sent.code == OK, sent.err
    submission = Submission.objects.get()
    assert (str(submission.pk), submission.title) == (sent.json["id"], "first")
    actions.evaluate(evaluation_id=submission.latest.pk, worker="tests")
    watched = lunasite("watch", submission.pk)
    assert (watched.code, watched.err) == (OK, "Scored.\n")
    assert "auc" in watched.out
    assert lunasite("report", submission.pk, "--json").json["scores"]["public"]["auc"] == pytest.approx(0.9583)
    assert "no log" in lunasite("logs", submission.pk).err
    assert "team ada" in lunasite("board", "luna").out
    assert lunasite("board", "luna", "--csv").out.startswith("rank,")


def test_a_used_up_quota_has_a_code_of_its_own_and_says_when(lunasite, phase, predictions):
    phase.quotas.create(tries=1, window=timedelta(days=1))
    assert lunasite("submit", "luna", predictions).code == OK
    second = lunasite("submit", "luna", predictions)
    assert second.code == USED_UP
    assert "The next try is free at" in second.err


def test_a_phase_that_has_ended_refuses(lunasite, phase, predictions):
    phase.closes_at = timezone.now() - timedelta(hours=1)
    phase.save()
    assert lunasite("submit", "luna", predictions).code == REFUSED


def test_anothers_submission_is_not_there(lunasite, phase):
    theirs = evaluated(user=make_member("eve"), phase=phase)
    assert lunasite("watch", theirs.pk).code == REFUSED


def test_without_a_token_it_says_how_to_sign_in(lunasite, phase, predictions):
    done = lunasite("check", "luna", predictions, LUNASITE_TOKEN="")
    assert done.code == NOT_ALLOWED
    assert "login" in done.err


def test_a_site_that_is_not_there_cannot_be_reached(lunasite):
    with socket.socket() as taken:  # bound, and listened at by nobody
        taken.bind(("127.0.0.1", 0))
        done = lunasite("phases", "--site", f"http://127.0.0.1:{taken.getsockname()[1]}")
    assert done.code == UNREACHED
    assert "cannot be reached" in done.err


def test_wrong_usage(lunasite, phase):
    assert lunasite("submit", "luna").code == USAGE
    assert lunasite("check", "luna", "missing.csv").code == USAGE
    assert lunasite("dance").code == USAGE
    assert lunasite("phases", LUNASITE_URL="ftp://x").code == USAGE


def test_an_image_goes_up_in_parts_and_on_where_it_stopped(lunasite, phase, tmp_path, monkeypatch):
    monkeypatch.setattr("submissions.uploads.resumable.part_bytes", lambda size: 1 << 14)
    path = tmp_path / "model.tar"
    path.write_bytes(docker_archive() + bytes(2_000_000))
    stopped = lunasite.start("submit", "luna", path)
    upload = wait_for_parts(3)
    stopped.kill()
    stopped.communicate()
    assert not Submission.objects.exists()
    sent = lunasite("submit", "luna", path, "--adapter", '{"port": 9000}', "--json")
    assert sent.code == OK, sent.err
    submission = Submission.objects.get()
    assert submission.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert submission.adapter == {"port": 9000}
    assert list(Upload.objects.exclude(pk=upload.pk)) == []  # no second one was begun
    assert list((tmp_path / "cache" / "lunasite" / "uploads").iterdir()) == []


def wait_for_parts(count):
    """Return the upload that is on its way once it has so many parts."""
    give_up = time.monotonic() + 180
    while time.monotonic() < give_up:
        upload = Upload.objects.first()
        if upload and len(resumable.received(upload)) >= count:
            return upload
        time.sleep(0.02)
    raise AssertionError("the upload did not begin")


def test_login_without_a_terminal_says_what_to_do_instead(lunasite):
    done = lunasite("login", LUNASITE_TOKEN="")
    assert done.code == 2
    assert "login --token TOKEN" in done.err
    assert "Traceback" not in done.err
