# ruff: noqa: E501 — a table: one pattern a line
"""What went wrong in a trial on public sample cases, and what to change: one table of patterns.

A diagnosis only ever explains; it decides neither the code nor whose fault it was. It reads what a container says, so
it is made at stage `smoke` alone: words about hidden cases would carry them out.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from posixpath import dirname, join, normpath
from typing import Any

from submissions.runner.described_call import DIFFERS, DescribedCall

SHOWN_NAME = 120
SHOWN_ANSWER = 1024
LINE_END = 1000


@dataclass(frozen=True)
class Evidence:
    """What is known of a failed trial.

    note: what the platform says of the failure itself. status, answer: of the HTTP call that failed, with the first
    kilobyte of its body. port, listening: which port was called and which listened. described: the calls with a file
    that the service's own description names, where a call did not fit. has_token: whether a token was sent. fields:
    names of what was sent beside the file; may_omit: what the form can leave out, by each name that it is sent under,
    with its name on the form; csv_fields: the names of what was sent as in LUNA25's table. command_fault: what is wrong
    with the start program's file (`crlf`, `loader`, `missing`). memory_mib, shm_mib: limits; peak_mib: the most memory
    that was seen. too_large: folders that stayed read-only since they hold more than kept_mib. wanted_output: the
    answer file that /output lacks; outputs: the files in it. working_dir: where a path without a folder begins. user:
    the image's USER, "" for root. is_closed: whether a file is in the image and not everybody may read it, where that
    is known.
    """

    code: str
    logs: str = ""
    note: str = ""
    status: int = 0
    answer: str = ""
    exit_code: int | None = None
    port: int = 0
    listening: tuple[int, ...] = ()
    path: str = ""
    described: tuple[DescribedCall, ...] = ()
    file_field: str = "file"
    has_token: bool = False
    fields: tuple[str, ...] = ()
    may_omit: Mapping[str, str] = field(default_factory=dict)
    csv_fields: tuple[str, ...] = ()
    command: str = ""
    command_fault: str = ""
    gpu: bool = False
    memory_mib: int = 0
    shm_mib: int = 0
    peak_mib: int = 0
    too_large: tuple[str, ...] = ()
    kept_mib: int = 0
    wanted_output: str = ""
    outputs: tuple[str, ...] = ()
    working_dir: str = "/"
    user: str = ""
    is_closed: Callable[[str], bool] | None = None


Words = dict[str, Any]


@dataclass(frozen=True)
class Pattern:
    """A regular expression over a line of the log (or over the answer), when it applies, and the sentence it leads to.

    The sentence may name groups of the expression and fields of the evidence in {braces}. concerns: whether it applies
    to the words that were found. is_guess: whether what the log says of itself explains more.
    """

    name: str
    sentence: str
    expression: str = ""
    when: Callable[[Evidence], bool] = lambda seen: True
    over: Callable[[Evidence], str] | None = None
    concerns: Callable[[Evidence, Words], bool] = lambda seen, words: True
    is_guess: bool = False

    @property
    def reads_log(self) -> bool:
        return bool(self.expression) and self.over is None


def _body(seen: Evidence) -> str:
    return seen.answer


def _is_status(*wanted: int) -> Callable[[Evidence], bool]:
    return lambda seen: seen.status in wanted


def _below(*folders: str) -> Callable[[Evidence, Words], bool]:
    return lambda seen, words: str(words["file"]).startswith(folders)


def _is_not_below(*folders: str) -> Callable[[Evidence, Words], bool]:
    return lambda seen, words: not str(words["file"]).startswith(folders)


def _lies_in_root(seen: Evidence, words: Words) -> bool:
    """Return whether the path is a file at `/` itself, which no folder can be named for."""
    name = str(words["file"])[1:]
    return "/" not in name and "." in name[1:]


def _path(group: str) -> str:
    """Return an expression for a path: quoted, which may be relative, or a bare one from the root.

    It is tried once a path, from its beginning: from each slash or quote of a line it would take time by the square.
    A bare one, which other characters may begin, is not tried for long.
    """
    return rf"(?:['\"‘](?P<{group}>[^'\"‘’\n]+)['\"’]|(?P<{group}_bare>(?<![\w./-])/[^\s'\":‘’]{{1,300}}))"


def _answers_with_a_probability(seen: Evidence) -> bool:
    return bool(re.search(r"[:\[,]\s*(?:0(?:\.\d+)?|1(?:\.0+)?|\d(?:\.\d+)?[eE]-\d+)\s*[,}\]]", seen.answer))


def _is_json_without_it(seen: Evidence) -> bool:
    is_json = seen.answer.lstrip("\ufeff \r\n\t")[:1] in ("{", "[")
    return seen.code == "BAD_PREDICTION" and is_json and ("where" in seen.note or "nothing at" in seen.note)


def _says(words: str) -> Callable[[Evidence], bool]:
    return lambda seen: seen.code == "BAD_PREDICTION" and words in seen.note


# How bash and dash name a file that a line of a script redirects to.
IN_SCRIPT = r"(?:line \d+: |cannot (?:create|open) )(?P<in_script>[^\s:]+)"
ERRNO = r"(?:\[Errno \d+\] |\[E[A-Z]+\] )?"
FIELD = r'"loc"\s*:\s*\[\s*"body"\s*,\s*"(?P<field>[A-Za-z_]\w{0,60})"'
READ_ONLY = rf"(?:Read-only file system|Errno 30\][^:\n]*): {_path('file')}|(?:{_path('before')}|{IN_SCRIPT}): {ERRNO}Read-only file system"
DENIED = rf"Permission denied: {_path('file')}|(?:{_path('before')}|{IN_SCRIPT}): {ERRNO}Permission denied"
NOT_THERE = rf"No such file or directory: {_path('file')}|can't open file {_path('before')}: \[Errno 2\]"
WRITABLE = 'name {folder} as a writable folder (form: Writable folders, API: writable_folders=["{folder}"]){owning}'
# An image for another user than root, which its base image may have set, cannot do it as that user.
AS_ROOT = ", between a line `USER root` and a line `USER {user}`"
# The user must own what it writes to; `mkdir` first, since `chown` stops a build at a folder that is not there.
OWNING = ", and add `RUN mkdir -p {folder} && chown -R {user} {folder}` to the Dockerfile, after the lines that copy files{as_root}"

# How the shells, env and Python name what a line ended by a carriage return made of their arguments.
CR = r"(?:\r|\\r|\N{REPLACEMENT CHARACTER})"
CARRIAGE_RETURN = rf"{CR}['\"]?: (?:\[Errno 2\] )?(?:(?:command )?not found|No such file|invalid option)|[Ii]llegal option -[\w ]*{CR}"

FORBIDDEN = (
    FIELD
    + r"[^}]*(?:extra_forbidden|extra fields not permitted|Extra inputs)|\"type\"\s*:\s*\"extra_forbidden\"[^}]*"
    + FIELD.replace("field", "field_too")
)
LIBRARY = r"(?<![\w.+-])(?P<name>lib[\w.+-]+): cannot open shared object file"
MODULE = (
    r"(?:ModuleNotFoundError|ImportError): No module named '?(?P<name>[\w.]+)'?|: No module named '?(?P<run>[\w.]+)'?$"
)
WRONG_PLACE = 'The answer has no probability at the agreed place: it is shown below; name the right one as Where the probability is, such as data.probability (form: {differs}, API: adapter={{"probability_path": "data.probability"}}), or answer a number there, not a text.'

# A line that warns of something that may well be missing, such as TensorFlow's of a GPU, is no cause.
WARNS = re.compile(r"\b[Ww]arn(?:ing)?\b|\bWARN(?:ING)?\b|[A-Z][A-Za-z]*Warning:|\bW tensorflow/|^W\d{4} ")

TABLE: tuple[Pattern, ...] = (
    # The start
    Pattern("crlf", "{command} has Windows line ends, so its first line names an interpreter that is not there: add `RUN sed -i 's/\\r$//' {command}` to the Dockerfile after the line that copies it{as_root}, or save it with LF.", when=lambda seen: seen.command_fault == "crlf"),
    Pattern("interpreter", "The first line of {command} names an interpreter that is not in the image: install it in the Dockerfile, or begin the script with one that is there, such as `#!/bin/sh`.", when=lambda seen: seen.command_fault == "interpreter"),
    Pattern("loader", "{command} needs a loader that the image does not have: it was built for another Linux (glibc or musl). Build it in the image it runs in, or take the base image it was built on.", when=lambda seen: seen.command_fault == "loader"),
    Pattern("crlf_inside", "A script of the image has Windows line ends: add `RUN sed -i 's/\\r$//' YOUR_SCRIPT.sh` to the Dockerfile after the line that copies it{as_root}, or save it with LF.", CARRIAGE_RETURN),
    Pattern("exec_format", "The image's program is neither one for linux/amd64 nor a script that names its interpreter: build with `docker build --platform linux/amd64`, or begin the script with `#!/bin/sh`.", r"[Ee]xec format error"),
    Pattern("not_executable", "{file} is not executable: add `RUN chmod a+rx {file}` to the Dockerfile, after the line that copies it{as_root}.", r"exec (?P<file>\S+) failed: Permission denied"),
    Pattern("not_executable_in_script", "{file} is not executable: add `RUN chmod a+rx {file}` to the Dockerfile, after the line that copies it{as_root}.", DENIED, when=lambda seen: seen.exit_code == 126),
    Pattern("no_program", "The image's command {file} is not there: correct ENTRYPOINT or CMD, or install it.", r"exec (?P<file>\S+) failed: No such file or directory"),
    Pattern("nvidia_smi", "The image calls nvidia-smi, which is there only in a phase with a GPU, and this phase has none: write `nvidia-smi || true` in the script, or leave the call out.", r"nvidia-smi: (?:command )?not found|No such file or directory: '?nvidia-smi", when=lambda seen: not seen.gpu),
    Pattern("not_in_script", "The script calls `{name}`, which the image does not have: install it in the Dockerfile, or leave the line out.", r"\b\d+: (?P<name>[\w./-]+): (?:command )?not found"),
    # What the image lacks
    Pattern("no_gpu", "The program asks for a GPU, and this phase has none: write `device = torch.device(\"cuda\" if torch.cuda.is_available() else \"cpu\")` and `.to(device)` instead of `.cuda()`, and load weights with `map_location=\"cpu\"`.", r"Found no NVIDIA driver|No CUDA GPUs are available|not compiled with CUDA enabled|CUDA driver version is insufficient|Attempting to deserialize object on a CUDA device|libcuda\.so\.1: cannot open|NVML|no CUDA-capable device", when=lambda seen: not seen.gpu),
    Pattern("no_part_of_module", "The image has `{top}`, but no `{name}` in it: it is another version than the program was written for, so install the one that works for you (`pip show {package}` tells it, `RUN pip install {package}==VERSION` takes it); where `{top}` is a folder of your own, copy all of it into the image, and give no file of yours that name.", MODULE, concerns=lambda seen, words: "." in words["name"]),
    Pattern("no_module", "The Python module `{name}` is not in the image: add `RUN pip install {package}` to the Dockerfile{as_root} (pip may know it by another name); for a module of your own, copy it into the image, to where the program starts or where PYTHONPATH points.", MODULE),
    Pattern("no_name_in_module", "The image's `{module}` has no `{name}`: it is another version than the program was written for, so install the one that works for you (`pip show {package}` tells it, `RUN pip install {package}==VERSION` takes it).", r"ImportError: cannot import name '(?P<name>\w+)' from '(?P<module>[\w.]+)'"),
    Pattern("no_library", "The library {name} is not in the image: add `RUN apt-get update && apt-get install -y {package}` to the Dockerfile{as_root}.", LIBRARY, concerns=lambda seen, words: words["name"] in PACKAGES),
    Pattern("no_cuda_library", "The library {name} of CUDA is not in the image: take a base image with CUDA, or install the build of your framework for the CPU.", LIBRARY, concerns=lambda seen, words: bool(re.match("lib(?:cu[a-z]|nv|nccl)", words["name"]))),
    Pattern("no_other_library", "The library {name} is not in the image: install the package that holds it in the Dockerfile{as_root} (on Debian and Ubuntu, `apt-file search {name}` names the package).", LIBRARY),
    Pattern("no_network", "The program wants to download something, but there is no network here: download it in the Dockerfile, as the user the program runs as (`RUN python -c \"the same call\"`) and not to /tmp, which is empty here, and let the program open what is there.", r"Name or service not known|[Tt]emporary failure in name resolution|[Ff]ailed to resolve|getaddrinfo failed|[Cc]ould not resolve host|Network is unreachable|[Oo]ffline mode is enabled|OfflineModeIsEnabled|couldn't connect to 'https?://|No address associated with hostname"),
    # Files
    Pattern("no_weights", "The program reads {file}, which is not there: send a .tar.gz that holds it as the model archive (form: Weights apart from the image, API: model_archive), or copy the weights into the image elsewhere.", NOT_THERE, concerns=_below("/opt/ml/model/")),
    Pattern("no_input", "The program reads {file}, which is not given here: only in the contract Grand Challenge batch (form: Contract, API: contract=\"batch\") does /input hold something, and /input/inputs.json names the path of each file in it.", NOT_THERE, concerns=_below("/input/")),
    Pattern("no_command_or_file", "The program wants `{said}`, which is not there: if it is a command, install it in the Dockerfile; if it is a file or folder, it is looked for at {file}, so copy it there or correct the path.", NOT_THERE, concerns=lambda seen, words: not set("/.") & set(words["said"])),
    Pattern("no_file", "The program opens {file}, which is not there: if it reads it, copy it to that path in the Dockerfile, or correct the path; if it writes it, make the folder first (`RUN mkdir -p {folder}`).", NOT_THERE, concerns=_is_not_below("/input/", "/output/", "/opt/ml/model/")),
    Pattern("too_large_to_write", "The program writes to {file}, but {large} is read-only: what it holds takes more than the {kept_mib} MiB that can be copied. Write below /tmp, or into a folder of its own that you name as a writable folder (form: Writable folders, API: writable_folders=[\"{large}/state\"]); one that is not there yet is made.", READ_ONLY, concerns=lambda seen, words: bool(words["large"])),
    Pattern("read_only_root", "The program writes to {file}, into the root folder itself, which is read-only here: write to a folder, such as /tmp, or where the path is relative, set a WORKDIR in the Dockerfile, such as `WORKDIR /app`.", READ_ONLY, concerns=_lies_in_root),
    Pattern("read_only", "The program writes to {file}, which is read-only here: " + WRITABLE + ", or write below /tmp.", READ_ONLY),
    Pattern("not_readable", "The program may not read {file}: add `RUN {opening}` to the Dockerfile, after the line that copies it{as_root}.", DENIED, concerns=lambda seen, words: bool(seen.is_closed and seen.is_closed(words["file"]))),
    Pattern("not_writable", "The program may not write to {file}: " + WRITABLE + ".", DENIED, when=lambda seen: seen.is_closed is not None),
    Pattern("no_permission", "The program may not open {file}: if it reads it, add `RUN {opening}` to the Dockerfile, after the line that copies it{as_root}; if it writes it, " + WRITABLE + ".", DENIED),
    Pattern("read_only_somewhere", "The program writes where it may not: name the folder as a writable folder (form: Writable folders, API: writable_folders), or write below /tmp.", r"[Rr]ead-only file system|EROFS"),
    # Memory
    Pattern("shared_memory", "The shared memory /dev/shm ({shm_mib} MiB, half the memory) was full: use fewer DataLoader workers (`num_workers=0`), or smaller batches.", r"Bus error|insufficient shared memory|unable to (?:open|write to|mmap) (?:shared memory|file </torch)"),
    Pattern("shared_memory_exit", "It ended by a bus error, as when the shared memory /dev/shm ({shm_mib} MiB, half the memory) is full: use fewer DataLoader workers (`num_workers=0`), or smaller batches.", when=lambda seen: seen.exit_code == 135),
    Pattern("out_of_memory", "It needed more than the {memory_mib} MiB this phase gives ({peak}what is written to /tmp, /dev/shm and writable folders counts too): use smaller batches or half precision, and load the weights once.", when=lambda seen: seen.code == "OUT_OF_MEMORY"),
    # The call
    Pattern("other_port", "Port {port} was called, but the program listens on {ports}: give {that_number} as Port (form: {differs}, API: adapter={{\"port\": {first_port}}}), or listen on {port}.", when=lambda seen: seen.code == "NOT_READY" and bool(seen.listening) and seen.port not in seen.listening),
    Pattern("silent_port", "The program listens on port {port}, but answered no HTTP request there in time: serve plain HTTP (no TLS, no gRPC) on it, and load the model before it listens; if loading takes that long, load less or faster.", when=lambda seen: seen.code == "NOT_READY" and seen.port in seen.listening, is_guess=True),
    Pattern("no_port", "Nothing listened on port {port}, or any other, until the time to start was over: start the server in the foreground, on 0.0.0.0:{port}; if the log shows that it was still loading, load less or faster.", when=lambda seen: seen.code == "NOT_READY" and seen.port > 0 and not seen.listening, is_guess=True),
    Pattern("other_token", "Status {status}: the service refused the token that it was sent: correct it under Bearer token (form: {differs}, API: adapter={{\"bearer_token\": \"...\"}}).", when=lambda seen: seen.status in (401, 403) and seen.has_token),
    Pattern("token", "Status {status}: the service wants a token: give it as Bearer token (form: {differs}, API: adapter={{\"bearer_token\": \"...\"}}).", when=_is_status(401, 403)),
    Pattern("described_path", "Status {status}: there is nothing for POST at {path}, and the service's own description (/openapi.json) names {described_path}: give that as Path (form: {differs}, API: model_endpoint={described_path}).{fits}", when=lambda seen: seen.status in (404, 405) and len(seen.described) == 1 and seen.described[0].path != seen.path),
    Pattern("described_fields", "Status {status}: the service's own description (/openapi.json) says how it is called.{fits} All of that is under {differs}.", when=lambda seen: seen.status in (400, 415, 422) and any(call.fits(seen) for call in seen.described if call.path == seen.path)),
    Pattern("path", "Status {status}: there is nothing for POST at {path}; give the path your service answers at as Path (form: {differs}, API: model_endpoint).", when=_is_status(404, 405)),
    Pattern("file_refused", "Status {status}: the service got the file as `{field}`, as it wants it, and refused what is in it; its answer says why. Read the file as the contract describes it.", FIELD, when=_is_status(400, 422), over=_body, concerns=lambda seen, words: words["field"] == seen.file_field),
    Pattern("file_field", "Status {status}: the service wants the file in a part called `{field}`, it was sent as `{file_field}`: choose `{field}` as Name of the file part (form: {differs}, API: adapter={{\"file_field\": \"{field}\"}}).", FIELD.replace(r"[A-Za-z_]\w{0,60}", "file|image|image_file"), when=_is_status(400, 422), over=_body),
    Pattern("unwanted_field", "Status {status}: the service takes no field {unwanted}: tick that under Do not send (form: {differs}, API: adapter={{\"omit\": [{omitted}]}}).", FORBIDDEN, when=_is_status(400, 422), over=_body, concerns=lambda seen, words: words["field"] in seen.may_omit),
    Pattern("forbidden_field", "Status {status}: the service takes no field `{field}`, which every call has: let it take that field, or let it ignore fields that it does not know.", FORBIDDEN, when=_is_status(400, 422), over=_body),
    Pattern("csv_names", "Status {status}: the service wants a field called `{field}`, as in LUNA25's table: choose those as Names of the fields (form: {differs}, API: adapter={{\"field_names\": \"csv\"}}).", FIELD, when=_is_status(400, 422), over=_body, concerns=lambda seen, words: words["field"] in seen.csv_fields and words["field"] not in seen.fields),
    Pattern("other_field", "Status {status}: the service complains of the field `{field}`. It was sent {sent}. If it wants the file there, call that part of the service `file`, `image` or `image_file` and choose that as Name of the file part; if something else, let it take one of the fields that are sent, or do without. Other names and Do not send are under {differs} (API: adapter).", FIELD, when=_is_status(400, 422), over=_body),
    Pattern("file_field_maybe", "Status {status}: the service did not take the call as it was sent, and its answer, shown below, speaks of `{field}`, but the file was sent as `{file_field}`: choose `{field}` as Name of the file part (form: {differs}, API: adapter={{\"file_field\": \"{field}\"}}).", r"\b(?P<field>image_file|image|file)\b", when=_is_status(400, 415, 422, 500), over=_body, concerns=lambda seen, words: words["field"] != seen.file_field, is_guess=True),
    Pattern("refused_fields", "Status {status}: the service did not take the call as it was sent{answer_says}. It was sent {sent}. Fit it under {differs} (API: adapter with file_field, field_names, omit).", when=_is_status(400, 415, 422), is_guess=True),
    Pattern("server_error", "Status {status}: the service failed while it worked on a case: mend what the end of its log names.", when=lambda seen: seen.status >= 500 and bool(seen.logs.strip()), is_guess=True),
    # The answer
    Pattern("other_output", "The answer is read from /output/{wanted_output}, and the program wrote {written}: write the answer to /output/{wanted_output}.", when=lambda seen: bool(seen.wanted_output and seen.outputs)),
    Pattern("no_output", "The program ended without an error and wrote nothing to /output: write the answer to /output/{wanted_output} before it ends.", when=lambda seen: bool(seen.wanted_output), is_guess=True),
    Pattern("out_of_range", "The answer has a number at the agreed place, but not one between 0 and 1: answer a probability, not a percentage, a label or NaN; of a logit, take the sigmoid.", when=_says("not a finite number between")),
    Pattern("no_sum", "The answer has a probability for each class, but they do not sum to 1: take the softmax of the outputs, over the classes.", when=_says("do not sum")),
    Pattern("other_case", "The answer names another case than the call: answer the seriesInstanceUID and lesionID of the call, or neither.", when=_says("not the one that was asked for")),
    Pattern("wrong_place", WRONG_PLACE, when=lambda seen: _is_json_without_it(seen) and _answers_with_a_probability(seen)),
    Pattern("wrong_place_maybe", WRONG_PLACE, when=lambda seen: _is_json_without_it(seen), is_guess=True),
    Pattern("not_json", "The answer, which is shown below, is not the JSON that the contract asks for: answer an object with the probability, such as `{{\"probability\": 0.5}}`, with every number finite and every name once.", when=lambda seen: seen.code == "BAD_PREDICTION" and bool(seen.answer), is_guess=True),
)  # fmt: skip

# Those of OpenCV come together: it asks for the next one only when the first is there.
PACKAGES: dict[str, str] = {"libGL.so.1": "libgl1 libglib2.0-0", "libgomp.so.1": "libgomp1", "libglib-2.0.so.0": "libglib2.0-0", "libgthread-2.0.so.0": "libglib2.0-0", "libsndfile.so.1": "libsndfile1", "libSM.so.6": "libsm6", "libXext.so.6": "libxext6", "libXrender.so.1": "libxrender1"}  # fmt: skip


# What the form fits, each apart from the others.
FITTED = ("file_field", "unwanted_field", "csv_names")
# Where a sentence's {file} stands in an expression.
FILE_GROUPS = ("file", "before", "file_bare", "before_bare", "in_script")
# Where the package has another name than its module.
MODULES = {"Crypto": "pycryptodome", "OpenSSL": "pyOpenSSL", "PIL": "pillow", "attr": "attrs", "bs4": "beautifulsoup4", "cv2": "opencv-python-headless", "dateutil": "python-dateutil", "dicom": "pydicom", "distutils": "setuptools", "dotenv": "python-dotenv", "fitz": "pymupdf", "gdcm": "python-gdcm", "jwt": "PyJWT", "mpl_toolkits": "matplotlib", "multipart": "python-multipart", "nrrd": "pynrrd", "opentelemetry": "opentelemetry-api", "pkg_resources": "'setuptools<81'", "pytorch_grad_cam": "grad-cam", "skimage": "scikit-image", "sklearn": "scikit-learn", "umap": "umap-learn", "yaml": "PyYAML", "zmq": "pyzmq"}  # fmt: skip


def diagnose(seen: Evidence) -> str:
    """Return the sentence of the pattern that explains most, "" if none fits.

    First what the platform saw itself; then the last line of the log that explains something, since what ended the
    program comes last; then what is left to guess.
    """
    certain = [pattern for pattern in TABLE if not pattern.reads_log and not pattern.is_guess]
    guesses = [pattern for pattern in TABLE if pattern.is_guess]
    described = [pattern for pattern in certain if pattern.name == "described_fields"]
    fitted = _first_of(described, seen) or _fitted(certain, seen)
    return fitted or _first_of(certain, seen) or _of_the_log(seen) or _first_of(guesses, seen)


def _fitted(patterns: Iterable[Pattern], seen: Evidence) -> str:
    """Return what to fit on the form where one answer complains of more than one thing, "" else."""
    read = (_sentence(pattern, seen, seen.answer) for pattern in patterns if pattern.name in FITTED)
    sentences = list(filter(None, read))
    return " ".join(sentences) if len(sentences) > 1 else ""


def _first_of(patterns: Iterable[Pattern], seen: Evidence) -> str:
    read = ((pattern, pattern.over(seen) if pattern.over else "") for pattern in patterns)
    return next(filter(None, (_sentence(pattern, seen, text) for pattern, text in read)), "")


def _of_the_log(seen: Evidence) -> str:
    patterns = [pattern for pattern in TABLE if pattern.reads_log]
    for line in reversed(seen.logs.split("\n")):
        line = _cut(line)
        if WARNS.search(line):
            continue
        if sentence := next(filter(None, (_sentence(pattern, seen, line) for pattern in patterns)), ""):
            return sentence
    return ""


def _cut(line: str) -> str:
    """Return the two ends of a line: what it complains of stands there, and a longer one takes an expression longer."""
    return line if len(line) <= 2 * LINE_END else f"{line[:LINE_END]}\n{line[-LINE_END:]}"


def _sentence(pattern: Pattern, seen: Evidence, text: str) -> str:
    """Return the pattern's sentence if it fits, "" if not."""
    if not pattern.when(seen):
        return ""
    founds: Iterable[re.Match[str] | None] = re.finditer(pattern.expression, text) if pattern.expression else [None]
    for found in founds:
        words = _words(seen, found)
        if pattern.concerns(seen, words):
            return pattern.sentence.format(**words)
    return ""


def _large_folder(seen: Evidence, file: str) -> str:
    """Return the folder around `file` that held too much to be made writable, "" if none did."""
    return next((folder for folder in seen.too_large if file.startswith(f"{folder}/")), "")


def _absolute(path: str, working_dir: str) -> str:
    return normpath(join(working_dir or "/", path)) if path else ""


def _folder(file: str) -> str:
    return dirname(file) if dirname(file) not in ("", "/") else file


def _opening(folder: str) -> str:
    """Return the commands that let everybody read a folder, those above it included: one may be closed as well."""
    parts = folder.split("/")
    above = ["/".join(parts[:depth]) for depth in range(2, len(parts))]
    closed = [path for path in above if path.count("/") > 1 or path == "/root"]
    enter = f"chmod a+x {' '.join(closed)} && " if closed else ""
    return f"{enter}chmod -R a+rX {folder}"


def _forbidden(answer: str) -> list[str]:
    """Return the fields that an answer in the manner of FastAPI forbids."""
    return [found["field"] or found["field_too"] for found in re.finditer(FORBIDDEN, answer)]


def _words(seen: Evidence, found: re.Match[str] | None) -> Words:
    """Return what a sentence may name: fields of the evidence, groups of the match, and what follows from them."""
    groups = {name: text[:SHOWN_NAME] for name, text in (found.groupdict() if found else {}).items() if text}
    named_file = next(filter(None, map(groups.get, FILE_GROUPS)), "")
    file = _absolute(named_file, seen.working_dir)
    name = groups.get("name") or groups.get("run") or ""
    top = (groups.get("module") or name).partition(".")[0]
    package = PACKAGES.get(name) or MODULES.get(top)
    as_root = AS_ROOT.format(user=seen.user) if seen.user else ""
    call = next((call for call in seen.described if call.path == seen.path), next(iter(seen.described), None))
    unwanted = [each for each in _forbidden(seen.answer) if each in seen.may_omit]
    owner = {"user": seen.user.partition(":")[0], "folder": _folder(file), "as_root": as_root}
    return {
        **{name: getattr(seen, name) for name in Evidence.__dataclass_fields__},
        "ports": ", ".join(map(str, seen.listening[:5])),
        "first_port": seen.listening[0] if seen.listening else 0,
        "written": ", ".join(f"/output/{name[:SHOWN_NAME]}" for name in seen.outputs[:5]),
        "differs": DIFFERS,
        "sent": f"the file as `{seen.file_field}`" + "".join(f", `{name}`" for name in seen.fields),
        "described_path": call.path if call else "",
        "fits": "".join(f" {sentence}" for sentence in call.fits(seen)) if call else "",
        "unwanted": ", ".join(f"`{each}`" for each in unwanted),
        "omitted": ", ".join(f'"{seen.may_omit[each]}"' for each in unwanted),
        "that_number": "that number" if len(seen.listening) == 1 else "the one that answers predictions",
        "peak": f"highest seen: {seen.peak_mib} MiB; " if seen.peak_mib else "",
        "answer_says": "; its answer, shown below, says why" if seen.answer else "",
        "package": package or top,
        "module": "",
        "as_root": as_root,
        "top": top,
        "owning": OWNING.format(**owner) if seen.user else "",
        **groups,
        "name": name,
        "field": groups.get("field") or groups.get("field_too") or "",
        "said": named_file,
        "file": file,
        "large": _large_folder(seen, file),
        "folder": _folder(file),
        "opening": _opening(_folder(file)),
    }
