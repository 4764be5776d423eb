"""The sentence of a failed trial, from the words that shells, Python and services really write."""

import json
import re
import time
from dataclasses import replace
from string import Formatter

import pytest

from submissions.runner.described_call import FILE_FIELDS, DescribedCall
from submissions.runner.diagnosis import TABLE, Evidence, _words, diagnose
from submissions.runner.engine.image_contents import ImageContents
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


@pytest.mark.parametrize("user", ["app", "1000:1000", ""])
@pytest.mark.parametrize(
    "log",
    [
        "ModuleNotFoundError: No module named 'monai'",
        "ImportError: libGL.so.1: cannot open shared object file: No such file or directory",
        "PermissionError: [Errno 13] Permission denied: '/models/w.pt'",
        "[FATAL tini (6)] exec /start.sh failed: Permission denied",
        "/usr/bin/env: 'bash\\r': No such file or directory",
    ],
)
def test_a_line_of_the_dockerfile_is_run_by_root_also_where_a_base_image_has_a_user(log, user):
    sentence = diagnose(Evidence("CONTAINER_EXITED", logs=log, user=user))
    assert "`RUN " in sentence
    assert (f", between a line `USER root` and a line `USER {user}`" in sentence) == bool(user)
    assert ("USER" in sentence) == bool(user)


def test_whether_a_file_is_read_or_written_is_told_by_the_image():
    log = "PermissionError: [Errno 13] Permission denied: '/models/w.pt'"
    seen = Evidence("CONTAINER_EXITED", logs=log, user="app", is_closed=lambda path: path == "/models/w.pt")
    assert diagnose(seen).startswith("The program may not read /models/w.pt: add `RUN chmod -R a+rX /models`")
    assert "writable" not in diagnose(seen)
    written = diagnose(replace(seen, is_closed=lambda path: False))
    assert written.startswith("The program may not write to /models/w.pt: name /models as a writable folder")
    assert "chmod" not in written


class StatOnly:
    """An engine that knows the modes of an image's files."""

    def __init__(self, modes):
        self.modes = modes

    def stat(self, container, path):
        return self.modes.get(path, 0), ""


@pytest.mark.parametrize(
    ("modes", "is_closed"),
    [
        ({"/m": 0o755, "/m/w": 0o600}, True),
        ({"/m": 0o700, "/m/w": 0o644}, True),
        ({"/m": 0o755, "/m/w": 0o644}, False),
        ({"/m": 0o700}, False),
    ],
)
def test_a_closed_file_is_one_that_is_there_and_that_others_may_not_read(modes, is_closed):
    contents = ImageContents(StatOnly(modes), "c")
    assert contents.is_closed("/m/w") == is_closed
    assert contents.is_closed("/m/w", home="/m") == (is_closed and modes["/m/w"] == 0o600)


def test_what_is_downloaded_to_tmp_is_not_there_at_the_run():
    assert "not to /tmp" in diagnose(Evidence("CONTAINER_EXITED", logs="Temporary failure in name resolution"))


def test_libraries_that_follow_one_another_are_named_together():
    log = "ImportError: libGL.so.1: cannot open shared object file: No such file or directory"
    assert "install -y libgl1 libglib2.0-0`" in diagnose(Evidence("CONTAINER_EXITED", logs=log))


def test_all_that_one_answer_complains_of_is_told_at_once():
    faults = [{"type": "missing", "loc": ["body", name]} for name in ("image", "CoordX", "CoordY")]
    faults.append({"type": "extra_forbidden", "loc": ["body", "gender"]})
    answer = json.dumps({"detail": faults})
    sentence = diagnose(
        Evidence(
            "BAD_RESPONSE",
            status=422,
            answer=answer,
            csv_fields=("CoordX", "CoordY"),
            may_omit={"gender": "gender", "Gender": "gender"},
        )
    )
    for words in ("as Name of the file part", "as Names of the fields", "under Do not send"):
        assert sentence.count(words) == 1


def test_all_fields_that_an_answer_forbids_are_named_under_either_name():
    faults = [{"type": "extra_forbidden", "loc": ["body", name]} for name in ("Gender", "coordX", "PatientID")]
    names = {"Gender": "gender", "PatientID": "patientID"}
    answer = json.dumps({"detail": faults})
    sentence = diagnose(Evidence("BAD_RESPONSE", status=422, answer=answer, may_omit=names))
    assert "no field `Gender`, `PatientID`" in sentence
    assert 'adapter={"omit": ["gender", "patientID"]}' in sentence


def test_a_field_that_was_not_sent_is_shown_beside_those_that_were():
    answer = '{"detail": [{"type": "missing", "loc": ["body", "ct_scan"], "msg": "Field required"}]}'
    seen = Evidence("BAD_RESPONSE", status=422, answer=answer, fields=("seriesInstanceUID", "coordX"))
    sentence = diagnose(seen)
    assert "sent the file as `file`, `seriesInstanceUID`, `coordX`" in sentence
    assert "`file`, `image` or `image_file`" in sentence
    assert "guide" not in sentence


@pytest.mark.parametrize(
    "answer", ['{"error": "No image uploaded"}', "KeyError: 'image'", '{"message": "image is missing"}']
)
def test_a_file_that_a_service_of_flask_misses_is_sent_as_it_says(answer):
    sentence = diagnose(Evidence("BAD_RESPONSE", status=400, answer=answer, path="/predict"))
    assert "choose `image` as Name of the file part" in sentence
    assert "choose" not in diagnose(Evidence("BAD_RESPONSE", status=400, answer=answer, file_field="image"))


@pytest.mark.parametrize(
    ("seen", "label"),
    [
        (Evidence("NOT_READY", port=8000, listening=(5000,)), "Port"),
        (Evidence("BAD_RESPONSE", status=401), "Bearer token"),
        (Evidence("BAD_RESPONSE", status=404), "Path"),
        (Evidence("BAD_RESPONSE", status=422, answer='{"loc": ["body", "image"]}'), "Name of the file part"),
        (
            Evidence("BAD_RESPONSE", status=422, answer='{"loc": ["body", "CoordX"]}', csv_fields=("CoordX",)),
            "Names of the fields",
        ),
        (
            Evidence(
                "BAD_RESPONSE",
                status=422,
                answer='{"type":"extra_forbidden","loc":["body","sex"]}',
                may_omit={"sex": "sex"},
            ),
            "Do not send",
        ),
        (
            Evidence("BAD_PREDICTION", note="The answer has nothing at data.probability.", answer='{"p": 0.5}'),
            "Where the probability is",
        ),
    ],
)
def test_what_the_form_fits_is_called_as_the_form_calls_it(seen, label):
    sentence = diagnose(seen)
    assert label in sentence
    assert "My service differs from the contract, API: " in sentence


@pytest.mark.parametrize("words", ["OSError: [Errno 30] Read-only file system", "[Errno 13] Permission denied"])
@pytest.mark.parametrize(
    ("user", "owning"), [("app:users", ", and add `RUN mkdir -p /data/cache && chown -R app /data/cache` to"), ("", "")]
)
def test_a_folder_to_write_to_must_belong_to_the_user(words, user, owning):
    seen = Evidence("CONTAINER_EXITED", logs=f"{words}: '/data/cache/patches.bin'", user=user)
    sentence = diagnose(seen)
    assert f'writable_folders=["/data/cache"]){owning}' in sentence
    assert ("chown" in sentence) == bool(user)


@pytest.mark.parametrize(
    "log",
    [
        "PermissionError: [Errno 13] Permission denied: 'logs/run.txt'",
        "OSError: [Errno 30] Read-only file system: 'logs/run.txt'",
        "/start.sh: line 2: logs/run.txt: Permission denied",
        "/start.sh: 2: cannot create logs/run.txt: Read-only file system",
        "mkdir: cannot create directory ‘logs/run’: Permission denied",
        "python3: can't open file '/opt/app/logs/main.py': [Errno 13] Permission denied",
    ],
)
def test_a_path_begins_where_the_image_works(log):
    sentence = diagnose(Evidence("CONTAINER_EXITED", logs=log, working_dir="/opt/app"))
    assert 'writable_folders=["/opt/app/logs"]' in sentence


@pytest.mark.parametrize("log", ["[Errno 30] Read-only file system: '/out.csv'", "Read-only file system: 'out.csv'"])
def test_of_a_file_in_the_root_no_folder_is_named(log):
    sentence = diagnose(Evidence("CONTAINER_EXITED", logs=log))
    assert "writes to /out.csv, into the root folder itself" in sentence
    assert "writable folder" not in sentence
    assert 'writable_folders=["/logs"]' in diagnose(Evidence("X", logs="[Errno 30] Read-only file system: 'logs'"))


@pytest.mark.parametrize(
    ("log", "words"),
    [
        ("No such file or directory: 'weights/best.pth'", "opens /opt/app/weights/best.pth, which is not there"),
        ("python3: can't open file '/opt/app/main.py': [Errno 2] No such file or directory", "opens /opt/app/main.py"),
        ("No such file or directory: 'ffmpeg'", "wants `ffmpeg`, which is not there: if it is a command"),
        ("No such file or directory: '/input/images/ct/x.mha'", 'contract="batch"'),
        ("No such file or directory: '/opt/ml/model/w.pth'", "as the model archive"),
    ],
)
def test_a_file_that_is_not_there_is_named_by_its_whole_path(log, words):
    assert words in diagnose(
        Evidence("CONTAINER_EXITED", logs=f"FileNotFoundError: [Errno 2] {log}", working_dir="/opt/app")
    )


def test_a_script_that_a_script_may_not_run_is_made_executable():
    seen = Evidence("CONTAINER_START", logs="/start.sh: line 3: ./run.sh: Permission denied", exit_code=126)
    assert "/app/run.sh is not executable: add `RUN chmod a+rx /app/run.sh`" in diagnose(
        replace(seen, working_dir="/app")
    )


@pytest.mark.parametrize(
    ("log", "words"),
    [
        ("ModuleNotFoundError: No module named 'opentelemetry'", "`RUN pip install opentelemetry-api`"),
        ("/usr/local/bin/python: No module named inference", "`inference` is not in the image"),
        (
            "ModuleNotFoundError: No module named 'torchvision.transforms.functional_tensor'",
            "`RUN pip install torchvision==VERSION`",
        ),
        ("ModuleNotFoundError: No module named 'sklearn.externals'", "`pip show scikit-learn`"),
        ("ModuleNotFoundError: No module named 'utils.io'; 'utils' is not a package", "a folder of your own"),
        (
            "ImportError: cannot import name 'soft_unicode' from 'markupsafe' (/usr/lib/markupsafe/__init__.py)",
            "`RUN pip install markupsafe==VERSION`",
        ),
    ],
)
def test_a_module_is_called_missing_only_where_all_of_it_is(log, words):
    assert words in diagnose(Evidence("CONTAINER_EXITED", logs=log))


TF_WARNS = (
    "2025-03-02 10:11:12.345: W tensorflow/compiler/xla/stream_executor/platform/default/dso_loader.cc:64] "
    "Could not load dynamic library 'libcuda.so.1'; dlerror: libcuda.so.1: cannot open shared object file: "
    "No such file or directory\n"
)
TORCH_WARNS = (
    "/usr/lib/python3/dist-packages/torch/cuda/__init__.py:619: UserWarning: Can't initialize NVML\n"
    '  warnings.warn("Can\'t initialize NVML")\n'
)
MISSING = "Traceback (most recent call last):\nModuleNotFoundError: No module named 'monai'\n"


class TestWhatExplainsMost:
    """Of several reasons that a log offers, the one that ended the program."""

    @pytest.mark.parametrize("before", [TF_WARNS, TORCH_WARNS, "start.sh: line 3: nvidia-smi: command not found\n"])
    def test_the_last_line_goes_before_what_the_program_lived_on_after(self, before):
        assert "`monai` is not in the image" in diagnose(Evidence("CONTAINER_EXITED", logs=before + MISSING))

    @pytest.mark.parametrize("log", [TF_WARNS, TORCH_WARNS])
    def test_a_warning_alone_is_no_cause(self, log):
        assert diagnose(Evidence("CONTAINER_EXITED", logs=log + "KeyError: 'lesion'")) == ""

    @pytest.mark.parametrize(
        ("seen", "words"),
        [
            (Evidence("NOT_READY", port=8000, listening=(5000,)), "listens on 5000"),
            (Evidence("BAD_RESPONSE", status=401), "wants a token"),
            (Evidence("BAD_RESPONSE", status=404), "nothing for POST"),
            (Evidence("OUT_OF_MEMORY", memory_mib=1024), "more than the 1024 MiB"),
        ],
    )
    def test_what_the_platform_saw_goes_before_the_log(self, seen, words):
        assert words in diagnose(replace(seen, logs="nvidia-smi: not found\n" + MISSING))

    @pytest.mark.parametrize(
        "seen",
        [
            Evidence("NOT_READY", port=8000),
            Evidence("NOT_READY", port=8000, listening=(8000,)),
            Evidence("BAD_RESPONSE", status=500),
            Evidence("BAD_RESPONSE", status=400, answer='{"error": "failed"}'),
            Evidence(
                "BAD_PREDICTION", note="The answer has nothing at data.probability.", answer='{"error": "failed"}'
            ),
        ],
    )
    def test_the_log_goes_before_a_guess(self, seen):
        assert "`monai` is not in the image" in diagnose(replace(seen, logs=MISSING))
        assert diagnose(replace(seen, logs="ready")) != ""


class TestTheRemedyFitsTheCause:
    """No sentence names a remedy that is in place already, or that does nothing for its cause."""

    def test_a_token_that_was_sent_is_to_be_corrected(self):
        assert "refused the token" in diagnose(Evidence("BAD_RESPONSE", status=403, has_token=True))

    def test_a_file_part_that_has_the_right_name_keeps_it(self):
        answer = '{"detail":[{"loc":["body","file"],"msg":"not a PNG"}]}'
        sentence = diagnose(Evidence("BAD_RESPONSE", status=422, answer=answer))
        assert "got the file as `file`, as it wants it" in sentence
        assert "Name of the file part" not in sentence

    def test_a_field_that_every_call_has_cannot_be_left_out(self):
        answer = '{"detail":[{"type":"extra_forbidden","loc":["body","coordX"]}]}'
        sentence = diagnose(
            Evidence("BAD_RESPONSE", status=422, answer=answer, may_omit={"gender": "gender", "Gender": "gender"})
        )
        assert "let it ignore fields" in sentence
        assert "Do not send" not in sentence

    @pytest.mark.parametrize("field", ["CTScan", "CoordX"])
    def test_names_of_the_table_are_offered_only_where_they_help(self, field):
        answer = f'{{"detail":[{{"loc":["body","{field}"]}}]}}'
        already = Evidence("BAD_RESPONSE", status=422, answer=answer, fields=("CoordX",), csv_fields=("CoordX",))
        assert "complains of the field" in diagnose(already)

    def test_a_package_of_unknown_name_makes_no_broken_command(self):
        log = "ImportError: libfftw3.so.3: cannot open shared object file: No such file or directory"
        sentence = diagnose(Evidence("CONTAINER_EXITED", logs=log))
        assert "apt-file search libfftw3.so.3" in sentence
        assert "RUN" not in sentence
        log = log.replace("libfftw3.so.3", "libcudart.so.12")
        assert "base image with CUDA" in diagnose(Evidence("CONTAINER_EXITED", logs=log))

    @pytest.mark.parametrize(
        ("note", "answer", "words"),
        [
            ("The probability in the answer is not a finite number between 0 and 1.", '{"probability": 87}', "sigmoid"),
            ("The class probabilities in the answer do not sum to 1 ± 0.01.", "[0.5,0.5,0.5,0.5]", "softmax"),
            ("The answer's lesionID is not the one that was asked for.", '{"lesionID": 9}', "names another case"),
            ("The answer is not JSON.", "0,5", "not the JSON"),
            ("The answer holds no number where the probability should be.", '{"p": "0.5"}', "not a text"),
        ],
    )
    def test_a_wrong_answer_is_told_from_one_at_another_place(self, note, answer, words):
        sentence = diagnose(Evidence("BAD_PREDICTION", note=note, answer=answer))
        assert words in sentence
        assert ("Where the probability is" in sentence) == ("where" in note)

    def test_a_service_that_never_listened_may_still_have_been_loading(self):
        sentence = diagnose(Evidence("NOT_READY", port=8000))
        assert "in the foreground, on 0.0.0.0:8000" in sentence
        assert "still loading" in sentence

    def test_memory_that_was_not_measured_is_not_called_zero(self):
        assert "0 MiB;" not in diagnose(Evidence("OUT_OF_MEMORY", memory_mib=1024))

    def test_of_several_ports_the_right_one_is_left_to_choose(self):
        sentence = diagnose(Evidence("NOT_READY", port=8000, listening=(5000, 9090)))
        assert "listens on 5000, 9090: give the one that answers predictions" in sentence

    def test_a_file_that_is_not_there_is_named(self):
        log = "FileNotFoundError: [Errno 2] No such file or directory: '/opt/app/weights/best.pt'"
        sentence = diagnose(Evidence("CONTAINER_EXITED", logs=log))
        assert "opens /opt/app/weights/best.pt, which is not there" in sentence
        assert "mkdir -p /opt/app/weights" in sentence

    def test_every_sentence_can_be_written(self):
        for pattern in TABLE:
            names = {name for _, name, _, _ in Formatter().parse(pattern.sentence) if name}
            found = re.search("(?P<file>.)(?P<name>.)", "ab")
            assert names <= _words(Evidence("X"), found).keys(), pattern.name


SENT = ("seriesInstanceUID", "lesionID", "coordX", "gender")
TABLE_NAMES = ("SeriesInstanceUID", "LesionID", "CoordX", "Gender")
WRONG_PATH = Evidence(
    "BAD_RESPONSE",
    status=404,
    path="/api/v1/predict/lesion",
    fields=SENT,
    may_omit={"gender": "gender", "Gender": "gender"},
    csv_fields=TABLE_NAMES,
)


class TestADescribedCall:
    """Of a service at another path that wants other fields, one trial names both, by its /openapi.json."""

    def sentence(self, *calls, **changes):
        return diagnose(replace(WRONG_PATH, described=calls, **changes))

    def test_path_and_fields_are_named_together(self):
        """The image of the first round's trial page: another path, another file part, LUNA25's names."""
        sentence = self.sentence(DescribedCall("/predict", "image", ["CoordX", "LesionID"], ["Gender"]))
        assert "nothing for POST at /api/v1/predict/lesion" in sentence
        assert "names /predict: give that as Path (form: My service differs" in sentence
        assert 'adapter={"file_field": "image"}' in sentence
        assert 'adapter={"field_names": "csv"}' in sentence
        assert "Do not send" not in sentence

    def test_what_fits_already_is_not_named(self):
        sentence = self.sentence(DescribedCall("/predict", "file", ["coordX"], ["note"]))
        assert sentence.endswith("API: model_endpoint=/predict).")

    def test_a_table_whose_form_is_closed_is_told_what_to_leave_out_by_the_forms_names(self):
        call = DescribedCall("/predict", "file", list(TABLE_NAMES[:3]), [], False)
        assert 'adapter={"field_names": "csv"}' in self.sentence(call)
        assert 'adapter={"omit": ["gender"]}' in self.sentence(call)

    def test_at_the_right_path_the_description_tells_more_than_the_first_kilobyte_of_an_answer(self):
        answer = '{"detail": [{"type": "missing", "loc": ["body", "image"], "input": {"seriesInstanceUID": "1.2.3'
        call = DescribedCall(WRONG_PATH.path, "image", ["CoordX"])
        sentence = self.sentence(call, status=422, answer=answer)
        assert 'adapter={"file_field": "image"}' in sentence
        assert 'adapter={"field_names": "csv"}' in sentence
        assert "as Path" not in sentence
        fitting = DescribedCall(WRONG_PATH.path, "file", ["coordX"])
        assert "description" not in self.sentence(fitting, status=422, answer=answer)

    def test_a_field_that_a_closed_form_does_not_name_is_left_out(self):
        fields = ["seriesInstanceUID", "lesionID", "coordX"]
        assert 'adapter={"omit": ["gender"]}' in self.sentence(DescribedCall("/p", "file", fields, [], False))
        assert "Do not send" not in self.sentence(DescribedCall("/p", "file", fields, ["gender"], False))

    def test_what_no_call_can_have_is_to_be_changed_in_the_service(self):
        sentence = self.sentence(DescribedCall("/p", "scan", ["coordX", "api_key"]))
        assert "call that part of the service `file`, `image` or `image_file`" in sentence
        assert "It requires `api_key`, which no call has" in sentence

    @pytest.mark.parametrize("calls", [(), (DescribedCall("/a", "file"), DescribedCall("/b", "file"))])
    def test_of_none_or_several_the_path_is_left_to_choose(self, calls):
        assert "give the path your service answers at" in self.sentence(*calls)

    def test_a_description_that_names_the_called_path_does_not_help(self):
        sentence = self.sentence(DescribedCall(WRONG_PATH.path, "file"))
        assert "give the path your service answers at" in sentence

    def test_the_names_of_a_files_part_are_those_of_the_form(self):
        from submissions.phases import http_adapter

        assert FILE_FIELDS == http_adapter.FILE_FIELDS


@pytest.mark.parametrize(
    "unit",
    [
        "lib.so", "lib", "/a", "(/", "/‘", "'", "‘", "1", "1: a", "exec ", "line 1: ", "cannot open ",
        "No module named a.", "Permission denied: '", "can't open file /", "Illegal option -", "Errno 30]",
    ],
)  # fmt: skip
@pytest.mark.parametrize("line_length", [2000, 1 << 16])
def test_any_log_is_read_in_time_linear_in_its_length(unit, line_length):
    """An image writes what it likes: `lib.so` written four thousand times held a worker for hours."""
    line = (unit * line_length)[:line_length]
    logs = "\n".join([line] * ((1 << 16) // line_length))
    started = time.process_time()
    diagnose(Evidence("CONTAINER_EXITED", logs=logs))
    assert time.process_time() - started < 5


def test_both_ends_of_a_long_line_are_read():
    found = diagnose(Evidence("CONTAINER_EXITED", logs=f"{'x ' * 9000} libGL.so.1: cannot open shared object file"))
    assert "libgl1" in found
    assert diagnose(Evidence("CONTAINER_EXITED", logs=f"No module named 'torch' {'x' * 9000}")) == diagnose(
        Evidence("CONTAINER_EXITED", logs="No module named 'torch'")
    )
