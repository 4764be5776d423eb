"""The sentence of a failed trial, from the words that shells, Python and services really write."""

import pytest

from submissions.runner.diagnosis import Evidence, diagnose
from submissions.runner.start_program import start_fault_of
from submissions.runner.values import EngineImage

SCRIPT = "./start.sh"


class Contents:
    """The files of an image by their paths, as `ImageContents` reads them."""

    def __init__(self, **files):
        self.files = {f"/{name.replace('__', '/')}": content for name, content in files.items()}

    def real_path(self, path):
        return path if path in self.files else ""

    def head(self, path, limit_bytes):
        return self.files.get(path, b"")[:limit_bytes]


def image(working_dir="/app", **environment):
    return EngineImage("sha256:1", environment, (), (), working_dir=working_dir)


def failed(program):
    return f"[FATAL tini (6)] exec {program} failed: No such file or directory\n"


@pytest.mark.parametrize(
    ("program", "path"),
    [("./start.sh", "/app/start.sh"), ("start.sh", "/usr/bin/start.sh"), ("/start.sh", "/start.sh")],
)
@pytest.mark.parametrize(
    ("script", "fault"),
    [
        (b"#!/bin/sh\r\nexec server\r\n", "crlf"),
        (b"#!/bin/bash -e\nexec server\n", "interpreter"),
        (b"#!/bin/sh\nexec server\n", "missing"),
    ],
)
def test_the_start_program_is_found_as_the_init_finds_it(program, path, script, fault):
    contents = Contents(**{path[1:].replace("/", "__"): script, "bin__sh": b"\x7fELF"})
    seen = start_fault_of(contents, image(PATH="/usr/local/bin:/usr/bin"), failed(program))
    assert seen == (path, fault)


def test_a_program_that_is_nowhere_keeps_the_name_of_the_command():
    assert start_fault_of(Contents(), image(working_dir=""), failed(SCRIPT)) == (SCRIPT, "missing")
    assert start_fault_of(Contents(), image(), "ready") == ("", "")


@pytest.mark.parametrize(
    "log",
    [
        "/usr/bin/env: 'bash\\r': No such file or directory",
        "/app/start.sh: line 2: set: pipefail\N{REPLACEMENT CHARACTER}: invalid option name",
        "start.sh: 2: set: Illegal option -o pipefail\r",
        "start.sh: line 2: cd: $'/app\\r': No such file or directory",
        "start.sh: line 3: $'\\r': command not found",
        "python3: can't open file '/app/main.py\\r': [Errno 2] No such file or directory",
    ],
)
def test_carriage_returns_in_a_script_are_named(log):
    assert "has Windows line ends" in diagnose(Evidence("CONTAINER_START", logs=log))


def test_a_missing_interpreter_is_not_a_missing_script():
    seen = Evidence("CONTAINER_START", logs=failed("/s.sh"), command="/s.sh", command_fault="interpreter")
    assert "first line of /s.sh names an interpreter" in diagnose(seen)


@pytest.mark.parametrize(
    ("path", "command"),
    [
        ("/models/w.bin", "`RUN chmod -R a+rX /models`"),
        ("/opt/weights/fold0/w.pt", "`RUN chmod a+x /opt/weights && chmod -R a+rX /opt/weights/fold0`"),
        ("/root/.cache/w.pt", "`RUN chmod a+x /root && chmod -R a+rX /root/.cache`"),
        ("/w.pt", "`RUN chmod -R a+rX /w.pt`"),
    ],
)
def test_closed_weights_are_opened_with_the_folders_above_them(path, command):
    assert command in diagnose(Evidence("CONTAINER_EXITED", logs=f"PermissionError: Permission denied: '{path}'"))


def test_libraries_that_follow_one_another_are_named_together():
    log = "ImportError: libGL.so.1: cannot open shared object file: No such file or directory"
    assert "install -y libgl1 libglib2.0-0`" in diagnose(Evidence("CONTAINER_EXITED", logs=log))


def test_a_field_that_was_not_sent_is_shown_beside_those_that_were():
    answer = '{"detail": [{"type": "missing", "loc": ["body", "ct_scan"], "msg": "Field required"}]}'
    seen = Evidence("BAD_RESPONSE", status=422, answer=answer, fields=("seriesInstanceUID", "coordX"))
    sentence = diagnose(seen)
    assert "sent the file as `file`, `seriesInstanceUID`, `coordX`" in sentence
    assert "`file`, `image` or `image_file`" in sentence
    assert "guide" not in sentence


@pytest.mark.parametrize(
    ("seen", "label"),
    [
        (Evidence("NOT_READY", port=8000, listening=(5000,)), "Port"),
        (Evidence("BAD_RESPONSE", status=401), "Bearer token"),
        (Evidence("BAD_RESPONSE", status=404), "Path"),
        (Evidence("BAD_RESPONSE", status=422, answer='{"loc": ["body", "image"]}'), "Name of the file part"),
        (Evidence("BAD_RESPONSE", status=422, answer='{"loc": ["body", "CoordX"]}'), "Names of the fields"),
        (Evidence("BAD_RESPONSE", status=422, answer='{"type":"extra_forbidden","loc":["body","sex"]}'), "Do not send"),
        (Evidence("BAD_PREDICTION", answer='{"p": 0.5}'), "Where the probability is"),
    ],
)
def test_what_the_form_fits_is_called_as_the_form_calls_it(seen, label):
    sentence = diagnose(seen)
    assert label in sentence
    assert "My service differs from the contract, API: " in sentence


@pytest.mark.parametrize("words", ["OSError: [Errno 30] Read-only file system", "[Errno 13] Permission denied"])
def test_a_folder_to_write_to_must_belong_to_the_user(words):
    sentence = diagnose(Evidence("CONTAINER_EXITED", logs=f"{words}: '/data/cache/patches.bin'"))
    assert 'writable_folders=["/data/cache"])' in sentence
    assert "`RUN chown -R USER /data/cache` before the USER line" in sentence
