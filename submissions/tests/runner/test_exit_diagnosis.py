"""Whose fault a run was, and what an engine's words mean."""

import pytest

from submissions.runner.base import ContainerFault
from submissions.runner.engine.errors import loaded_id, names_the_image, readable, start_fault
from submissions.runner.exit_diagnosis import classify_exit, refine_exit
from submissions.runner.values import ContainerState


@pytest.mark.parametrize(
    ("state", "logs", "has_answered", "code"),
    [
        (ContainerState(False, 137, True), "", True, "OUT_OF_MEMORY"),
        (ContainerState(False, 0, True), "", True, "OUT_OF_MEMORY"),
        (ContainerState(False, 137, False), "", True, "CONTAINER_EXITED"),
        (ContainerState(False, 0, False), "", False, "CONTAINER_EXITED"),
        (ContainerState(False, 127, False), "[FATAL tini (7)] exec /x failed", False, "CONTAINER_START"),
        (ContainerState(False, 126, False), "", False, "CONTAINER_START"),
        (ContainerState(False, 127, False), "", True, "CONTAINER_EXITED"),
        (ContainerState(False, 1, False), "OSError: [Errno 28] No space left on device", True, "DISK_LIMIT"),
    ],
)
def test_a_model_that_is_gone(state, logs, has_answered, code):
    fault = classify_exit(
        state, logs, may_name_exit_code=False, while_doing="while predicting", has_answered=has_answered
    )
    assert fault.code == code
    assert "137" not in fault.note


def test_a_hint_names_the_read_only_rule():
    logs = "OSError: [Errno 30] Read-only file system: '/app/x'"
    fault = classify_exit(
        ContainerState(False, 1, False), logs, may_name_exit_code=True, while_doing="while starting", has_answered=False
    )
    assert (
        fault.note == "It ended with exit code 1 while starting. Only its writable folders and /tmp can be written to."
    )


@pytest.mark.parametrize(
    ("code", "oom", "logs", "expected"),
    [
        ("BAD_RESPONSE", True, "", "OUT_OF_MEMORY"),
        ("BAD_RESPONSE", False, "ENOSPC", "DISK_LIMIT"),
        ("BAD_RESPONSE", False, "", "BAD_RESPONSE"),
        ("BAD_PREDICTION", False, "ENOSPC", "BAD_PREDICTION"),
        ("RESPONSE_TOO_LARGE", True, "", "RESPONSE_TOO_LARGE"),
    ],
)
def test_a_bad_answer_of_a_model_that_runs_on(code, oom, logs, expected):
    assert refine_exit(ContainerFault(code), ContainerState(True, 0, oom), logs).code == expected


def test_engine_texts_are_for_staff():
    fault = start_fault(RuntimeError("sha256:abc /var/lib/docker"))
    assert "sha256" not in fault.note
    assert "sha256" in fault.staff_detail


@pytest.mark.parametrize(
    ("response", "is_untrusted"),
    [
        ('"/d/merged/proc/1/docker-init" cannot be mounted because it is inside /proc: unknown', True),
        ("mkdir /d/merged/x: no space left on device: file exists", False),
        ("driver failed programming external connectivity", False),
    ],
)
def test_whom_the_engine_blames_for_a_start(response, is_untrusted):
    assert names_the_image(response) == is_untrusted


def test_logs_lose_control_characters():
    assert readable(b"a\x1b[31mb\x00c\r\n\xff") == "a\ufffd[31mb\ufffdc\ufffd\n\ufffd"


@pytest.mark.parametrize(
    ("response", "image_id"),
    [
        (f"Loaded image ID: sha256:{'a' * 64}\n", f"sha256:{'a' * 64}"),
        (f"Loaded image: sha256:{'b' * 64}\n", f"sha256:{'b' * 64}"),
        ("Loaded image: name:tag\n", ""),
        ("", ""),
    ],
)
def test_what_the_engine_says_it_loaded(response, image_id):
    assert loaded_id(response) == image_id
