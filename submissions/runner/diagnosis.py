# ruff: noqa: E501 — a table: one pattern a line
"""What went wrong in a trial on public sample cases, and what to change: one table of patterns.

A diagnosis only ever explains; it decides neither the code nor whose fault it was. It reads what a container says, so
it is made at stage `smoke` alone: words about hidden cases would carry them out.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from posixpath import dirname

SHOWN_NAME = 120
SHOWN_ANSWER = 1024


@dataclass(frozen=True)
class Evidence:
    """What is known of a failed trial.

    status, answer: of the HTTP call that failed, with the first kilobyte of its body. port, listening: which port was
    called and which listened. fields: names of what was sent beside the file. command_fault: what is wrong with the start program's file (`crlf`, `loader`, `missing`).
    memory_mib, shm_mib: limits; peak_mib: the most memory that was seen. too_large: folders that stayed read-only since
    they hold more than kept_mib. wanted_output: the answer file that /output lacks; outputs: the files in it.
    """

    code: str
    logs: str = ""
    status: int = 0
    answer: str = ""
    exit_code: int | None = None
    port: int = 0
    listening: tuple[int, ...] = ()
    path: str = ""
    file_field: str = "file"
    fields: tuple[str, ...] = ()
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


@dataclass(frozen=True)
class Pattern:
    """A regular expression over the log (or the answer), when it applies, and the sentence it leads to.

    The sentence may name groups of the expression and fields of the evidence in {braces}. concerns: whether it applies
    to the file that was found.
    """

    name: str
    sentence: str
    expression: str = ""
    when: Callable[[Evidence], bool] = lambda seen: True
    over: Callable[[Evidence], str] = lambda seen: seen.logs
    concerns: Callable[[Evidence, str], bool] = lambda seen, file: True


def _body(seen: Evidence) -> str:
    return seen.answer


def _is_status(*wanted: int) -> Callable[[Evidence], bool]:
    return lambda seen: seen.status in wanted


PATH = r"['\"‘]?(?P<file>/[^\s':\"’]+)['\"’]?"
FIELD = r'"loc"\s*:\s*\[\s*"body"\s*,\s*"(?P<field>[A-Za-z_]\w{0,60})"'
READ_ONLY = rf"(?:Read-only file system|Errno 30\][^:\n]*)(?:: {PATH})|{PATH.replace('file', 'before')}'?: Read-only file system"
DIFFERS = "My service differs from the contract"
WRITABLE = 'name its folder {folder} as a writable folder (form: Writable folders, API: writable_folders=["{folder}"]); an image with a USER must own it too: `RUN chown -R USER {folder}` before the USER line'

# How the shells, env and Python name what a line ended by a carriage return made of their arguments.
CR = r"(?:\r|\\r|\N{REPLACEMENT CHARACTER})"
CARRIAGE_RETURN = rf"{CR}['\"]?: (?:\[Errno 2\] )?(?:(?:command )?not found|No such file|invalid option)|[Ii]llegal option -[\w ]*{CR}"

TABLE: tuple[Pattern, ...] = (
    # The start
    Pattern("crlf", "{command} has Windows line ends, so its first line names an interpreter that is not there: add `RUN sed -i 's/\\r$//' {command}` to the Dockerfile after the line that copies it, or save it with LF.", when=lambda seen: seen.command_fault == "crlf"),
    Pattern("interpreter", "The first line of {command} names an interpreter that is not in the image: install it in the Dockerfile, or begin the script with one that is there, such as `#!/bin/sh`.", when=lambda seen: seen.command_fault == "interpreter"),
    Pattern("crlf_inside", "A script of the image has Windows line ends: add `RUN sed -i 's/\\r$//' YOUR_SCRIPT.sh` to the Dockerfile after the line that copies it, or save it with LF.", CARRIAGE_RETURN),
    Pattern("loader", "{command} needs a loader that the image has not: it was built for another Linux (glibc or musl). Build it in the image it runs in, or take the base image it was built on.", when=lambda seen: seen.command_fault == "loader"),
    Pattern("exec_format", "The image's program is not for linux/amd64: build with `docker build --platform linux/amd64`, and begin scripts with `#!/bin/sh`.", r"[Ee]xec format error"),
    Pattern("not_executable", "{file} is not executable: add `RUN chmod a+rx {file}` to the Dockerfile.", r"exec (?P<file>\S+) failed: Permission denied"),
    Pattern("no_program", "The image's command {file} is not there: correct ENTRYPOINT or CMD, or install it.", r"exec (?P<file>\S+) failed: No such file or directory"),
    Pattern("nvidia_smi", "The script calls nvidia-smi, which is only there with a GPU: write `nvidia-smi || true`, or leave it out; this phase gives {gpu_words}.", r"nvidia-smi: (command )?not found", when=lambda seen: not seen.gpu),
    Pattern("not_in_script", "The script calls `{name}`, which the image does not have: install it in the Dockerfile, or leave the line out.", r"(?:line )?\d+: (?P<name>[\w./-]+): (?:command )?not found"),
    # What the image lacks
    Pattern("no_gpu", "The program asks for a GPU, but this phase gives {gpu_words}: write `device = torch.device(\"cuda\" if torch.cuda.is_available() else \"cpu\")` and `.to(device)` instead of `.cuda()`, and load weights with `map_location=\"cpu\"`.", r"Found no NVIDIA driver|No CUDA GPUs are available|not compiled with CUDA enabled|CUDA driver version is insufficient|Attempting to deserialize object on a CUDA device|libcuda\.so\.1: cannot open|NVML|no CUDA-capable device", when=lambda seen: not seen.gpu),
    Pattern("no_module", "The Python module `{name}` is not in the image: add `RUN pip install {package}` to the Dockerfile, before its USER line; for a module of your own, copy it into the image.", r"(?:ModuleNotFoundError|ImportError): No module named '?(?P<name>[\w.]+)'?"),
    Pattern("no_library", "The library {name} is not in the image: add `RUN apt-get update && apt-get install -y {package}` to the Dockerfile, before its USER line.", r"(?P<name>lib[\w.+-]+\.so[\w.]*): cannot open shared object file"),
    Pattern("no_network", "The program wants to download something, but there is no network here: download it in the Dockerfile, to where the program looks for it and as the user it runs as (`RUN python -c \"the same call\"`), so that it is in the image.", r"Name or service not known|[Tt]emporary failure in name resolution|[Ff]ailed to resolve|getaddrinfo failed|[Cc]ould not resolve host|Network is unreachable|[Oo]ffline mode|couldn't connect to 'https?://|No address associated with hostname"),
    # Files
    Pattern("no_weights", "The program reads {file}, which is not there: send a .tar.gz that holds it as the model archive (form: Weights apart from the image, API: model_archive), or copy the weights into the image elsewhere.", rf"No such file or directory: {PATH}", concerns=lambda seen, file: file.startswith("/opt/ml/model/")),
    Pattern("too_large_to_write", "The program writes to {file}, but {large} is read-only: what it holds takes more than the {kept_mib} MiB that can be copied. Write below /tmp, or into a folder of its own that you name as a writable folder (form: Writable folders, API: writable_folders=[\"{large}/state\"]); one that is not there yet is made.", READ_ONLY, concerns=lambda seen, file: bool(_large_folder(seen, file))),
    Pattern("read_only", "The program writes to {file}, which is read-only here: " + WRITABLE + ", or write below /tmp.", READ_ONLY),
    Pattern("no_permission", "The program may not open {file}: if it reads it, add `RUN {opening}` to the Dockerfile, after the line that copies it and before its USER line; if it writes it, " + WRITABLE + ".", rf"(?:Permission denied)(?:: {PATH})|{PATH.replace('file', 'before')}'?: Permission denied"),
    Pattern("read_only_somewhere", "The program writes where it may not: name the folder as a writable folder (form: Writable folders, API: writable_folders), or write below /tmp.", r"[Rr]ead-only file system|EROFS"),
    # Memory
    Pattern("shared_memory", "The shared memory /dev/shm ({shm_mib} MiB, half the memory) was full: use fewer DataLoader workers (`num_workers=0`), or smaller batches.", r"Bus error|insufficient shared memory|unable to (?:open|write to|mmap) (?:shared memory|file </torch)"),
    Pattern("shared_memory_exit", "It ended by a bus error, as when the shared memory /dev/shm ({shm_mib} MiB, half the memory) is full: use fewer DataLoader workers (`num_workers=0`), or smaller batches.", when=lambda seen: seen.exit_code == 135),
    Pattern("out_of_memory", "It needed more than the {memory_mib} MiB this phase gives (highest seen: {peak_mib} MiB; what is written to /tmp, /dev/shm and writable folders counts too): use smaller batches or half precision, and load the weights once.", when=lambda seen: seen.code == "OUT_OF_MEMORY"),
    # The call
    Pattern("other_port", "Port {port} was called, but the program listens on {ports}: give that number as Port (form: {differs}, API: adapter={{\"port\": {first_port}}}), or listen on {port}.", when=lambda seen: seen.code == "NOT_READY" and bool(seen.listening) and seen.port not in seen.listening),
    Pattern("no_port", "Port {port} was called, and nothing listens on any port: start the server in the foreground, on 0.0.0.0:{port}.", when=lambda seen: seen.code == "NOT_READY" and seen.port > 0 and not seen.listening),
    Pattern("token", "Status {status}: the service wants a token: give it as Bearer token (form: {differs}, API: adapter={{\"bearer_token\": \"...\"}}).", when=_is_status(401, 403)),
    Pattern("path", "Status {status}: there is nothing for POST at {path}; give the path your service answers at as Path (form: {differs}, API: model_endpoint).", when=_is_status(404, 405)),
    Pattern("file_field", "Status {status}: the service wants the file in a part called `{field}`, it was sent as `{file_field}`: choose `{field}` as Name of the file part (form: {differs}, API: adapter={{\"file_field\": \"{field}\"}}).", FIELD.replace(r"[A-Za-z_]\w{0,60}", "file|image|image_file"), when=_is_status(400, 422), over=_body),
    Pattern("unwanted_field", "Status {status}: the service takes no field `{field}`: tick it under Do not send (form: {differs}, API: adapter={{\"omit\": [\"{field}\"]}}).", FIELD + r"[^}]*(?:extra_forbidden|extra fields not permitted|Extra inputs)|\"type\"\s*:\s*\"extra_forbidden\"[^}]*" + FIELD.replace("field", "field_too"), when=_is_status(400, 422), over=_body),
    Pattern("csv_names", "Status {status}: the service wants a field called `{field}`, as in LUNA25's table: choose those as Names of the fields (form: {differs}, API: adapter={{\"field_names\": \"csv\"}}).", FIELD.replace(r"[A-Za-z_]\w{0,60}", r"[A-Z]\w{0,60}"), when=_is_status(400, 422), over=_body),
    Pattern("other_field", "Status {status}: the service complains of the field `{field}`. It was sent {sent}. If it wants the file there, call that part of the service `file`, `image` or `image_file` and choose that as Name of the file part; if something else, let it take one of the fields that are sent, or do without. Other names and Do not send are under {differs} (API: adapter).", FIELD, when=_is_status(400, 422), over=_body),
    Pattern("refused_fields", "Status {status}: the service did not take the fields as they are sent; its answer says which. It was sent {sent}. Fit them under {differs} (API: adapter with file_field, field_names, omit).", when=_is_status(400, 415, 422)),
    Pattern("other_output", "The answer is read from /output/{wanted_output}, and the program wrote {written}: write the answer to /output/{wanted_output}.", when=lambda seen: bool(seen.wanted_output and seen.outputs)),
    Pattern("no_output", "The program ended without an error and wrote nothing to /output: write the answer to /output/{wanted_output} before it ends.", when=lambda seen: bool(seen.wanted_output)),
    Pattern("wrong_place", "The answer has no probability at the agreed place: its keys are shown below; name the right one as Where the probability is, such as data.probability (form: {differs}, API: adapter={{\"probability_path\": \"data.probability\"}}).", when=lambda seen: seen.code == "BAD_PREDICTION" and bool(seen.answer)),
)  # fmt: skip

# Those of OpenCV come together: it asks for the next one only when the first is there.
PACKAGES = {"libGL.so.1": "libgl1 libglib2.0-0", "libgomp.so.1": "libgomp1", "libglib-2.0.so.0": "libglib2.0-0", "libgthread-2.0.so.0": "libglib2.0-0", "libsndfile.so.1": "libsndfile1", "libSM.so.6": "libsm6", "libXext.so.6": "libxext6", "libXrender.so.1": "libxrender1"}  # fmt: skip


# Where the package has another name than its module.
MODULES = {"PIL": "pillow", "bs4": "beautifulsoup4", "cv2": "opencv-python-headless", "dotenv": "python-dotenv", "multipart": "python-multipart", "skimage": "scikit-image", "sklearn": "scikit-learn", "yaml": "PyYAML"}  # fmt: skip


def diagnose(seen: Evidence) -> str:
    """Return the sentence of the first pattern that fits, "" if none does."""
    return next(_sentences(seen), "")


def _sentences(seen: Evidence) -> Iterator[str]:
    for pattern in TABLE:
        if not pattern.when(seen):
            continue
        found = re.search(pattern.expression, pattern.over(seen)) if pattern.expression else None
        if pattern.expression and not found:
            continue
        words = _words(seen, found)
        if pattern.concerns(seen, str(words["file"])):
            yield pattern.sentence.format(**words)


def _large_folder(seen: Evidence, file: str) -> str:
    """Return the folder around `file` that held too much to be made writable, "" if none did."""
    return next((folder for folder in seen.too_large if file.startswith(f"{folder}/")), "")


def _folder(file: str) -> str:
    return dirname(file) if dirname(file) not in ("", "/") else file


def _opening(folder: str) -> str:
    """Return the commands that let everybody read a folder, those above it included: one may be closed as well."""
    parts = folder.split("/")
    above = ["/".join(parts[:depth]) for depth in range(2, len(parts))]
    closed = [path for path in above if path.count("/") > 1 or path == "/root"]
    enter = f"chmod a+x {' '.join(closed)} && " if closed else ""
    return f"{enter}chmod -R a+rX {folder}"


def _words(seen: Evidence, found: re.Match[str] | None) -> dict[str, object]:
    """Return what a sentence may name: fields of the evidence, groups of the match, and what follows from them."""
    groups = {name: text[:SHOWN_NAME] for name, text in (found.groupdict() if found else {}).items() if text}
    file = groups.get("file") or groups.get("before") or ""
    name = groups.get("name", "")
    package = PACKAGES.get(name) or MODULES.get(name.partition(".")[0])
    return {
        **{field: getattr(seen, field) for field in Evidence.__dataclass_fields__},
        "ports": ", ".join(map(str, seen.listening[:5])),
        "first_port": seen.listening[0] if seen.listening else 0,
        "written": ", ".join(f"/output/{name[:SHOWN_NAME]}" for name in seen.outputs[:5]),
        "differs": DIFFERS,
        "sent": f"the file as `{seen.file_field}`" + "".join(f", `{name}`" for name in seen.fields),
        "gpu_words": "one" if seen.gpu else "none",
        "package": package or (f"the package of {name}" if name.startswith("lib") else name.partition(".")[0]),
        **groups,
        "field": groups.get("field") or groups.get("field_too") or "",
        "file": file,
        "large": _large_folder(seen, file),
        "folder": _folder(file),
        "opening": _opening(_folder(file)),
    }
