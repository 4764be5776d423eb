"""Images as others build them: what they do at import and while serving works as it does for their authors.

`test_through_the_site.py` sends each of the HABITS through API and form; here is what only the run itself shows.
"""

from dataclasses import replace

import pytest

from submissions.tests.containers import HOSTILE, TEST_LIMITS

pytestmark = pytest.mark.engine
LIMITS = replace(TEST_LIMITS, memory_mib=1024, root_mib=256, shm_mib=512)
BASE = "FROM python:3.11-slim\nENV PYTHONPATH=/serving PYTHONUNBUFFERED=1\nCOPY serving.py /serving/\n"
MAKE_USER = "RUN groupadd -g 2000 team && useradd -m -u 1234 -G team user"
# As most Dockerfiles with a user of their own have it, and as those without.
AS_USER = (MAKE_USER, "RUN mkdir -p /opt/app /results && chown -R user:user /opt/app /results", "USER user")
AS_ROOT = ()
SERVE = "from serving import serve; serve()"

HABITS = {
    "folders_at_import": """
import os, pathlib
for name in ("logs", "uploads", "experiments/run-1"):
    os.makedirs(name, exist_ok=True)
    pathlib.Path(name, "started.txt").write_text("now")
os.makedirs("/results/today", exist_ok=True)
pathlib.Path("/results/today/log").write_text("now")
pathlib.Path(os.path.expanduser("~"), ".config").mkdir(exist_ok=True)
""",
    "sqlite_in_app": """
import sqlite3
with sqlite3.connect("jobs.db") as db:
    db.execute("pragma journal_mode=wal")
    db.execute("create table if not exists job (id integer)")
    db.execute("insert into job values (1)")
""",
    "bytecode_beside_source": """
import os, pathlib, py_compile, sys
pathlib.Path("jitted.py").write_text("x = 1")
py_compile.compile("jitted.py")
os.makedirs("__pycache__", exist_ok=True)
pathlib.Path("__pycache__/forward-14.py311.nbi").write_bytes(b"index")
os.makedirs(os.environ["MPLCONFIGDIR"], exist_ok=True)
pathlib.Path(os.environ["MPLCONFIGDIR"], "fontlist.json").write_text("{}")
""",
    "keeps_what_is_there": """
import os
assert open("weights.bin").read() == "weights"
open("weights.bin", "a").write("!")
os.rename("weights.bin", "renamed.bin")
""",
    "shared_memory": """
import multiprocessing.shared_memory as shm
batches = [shm.SharedMemory(create=True, size=32 << 20) for _ in range(16)]
for batch in batches:
    batch.buf[:: 4096] = bytes(len(batch.buf[:: 4096]))
for batch in batches:
    batch.close(); batch.unlink()
""",
}


@pytest.fixture(scope="module")
def base(bench):
    bench.build(BASE, HOSTILE)
    return bench.built[-1]


def build(bench, base, program, *lines, user=AS_ROOT, workdir="/opt/app"):
    """Build an image that runs `program` and then serves; lines come before the USER."""
    source = "\\n".join(program.strip().splitlines() + SERVE.split("; "))
    setup = [f"WORKDIR {workdir}", "RUN printf weights > weights.bin", *lines]
    command = f"RUN printf '%b' {shell_quoted(source)} > {workdir}/app.py"
    text = "\n".join([f"FROM {base}", *setup, command, *user, f'CMD ["python3", "{workdir}/app.py"]'])
    return bench.build(text + "\n")


def shell_quoted(text):
    return "'" + text.replace("'", "'\\''") + "'"


def answered(bench, image_id, **changes):
    request = bench.request(image_id, **({"limits": LIMITS, "stage": "smoke"} | changes))
    code, outcome, _ = bench.verdict(request)
    assert code is None, (outcome.note, outcome.staff_detail, outcome.logs)
    assert len(outcome.answers) == len(request.cases)
    assert bench.left_behind() == []
    return outcome


USER_SITE = """
import os, site, sys
sys.path.append(site.getusersitepackages())
import theirs
hub = os.environ.get("TORCH_HOME", os.path.expanduser("~/.cache/torch"))
assert open(os.path.join(hub, "hub/checkpoints/model.pth")).read() == "baked", hub
face = os.environ.get("HF_HOME", os.path.expanduser("~/.cache/huggingface"))
assert open(os.path.join(face, "hub/model.safetensors")).read() == "baked", face
open(os.path.join(hub, "hub/trusted_list"), "w").write("ours")
print(os.getuid(), sorted(os.getgroups()), os.environ["HOME"], flush=True)
"""


def baked(home, owner):
    """Return lines that put a package and two hub caches into a home of mode 750."""
    site = f"{home}/.local/lib/python3.11/site-packages"
    caches = f"{home}/.cache/torch/hub/checkpoints {home}/.cache/huggingface/hub"
    return (
        f"RUN mkdir -p {site} {caches} && echo 'x = 1' > {site}/theirs.py "
        f"&& printf baked > {home}/.cache/torch/hub/checkpoints/model.pth "
        f"&& printf baked > {home}/.cache/huggingface/hub/model.safetensors "
        f"&& chown -R {owner} {home} && chmod 750 {home}",
    )


def test_packages_and_caches_in_the_home_of_a_user(base, bench):
    image_id = build(bench, base, USER_SITE, MAKE_USER, *baked("/home/user", "user:user"), user=("USER user",))
    outcome = answered(bench, image_id)
    assert outcome.logs.startswith("1234 [1234, 2000] /home/user")
    bench.drop()


def test_packages_and_caches_in_the_home_of_root(base, bench):
    image_id = build(bench, base, USER_SITE, *baked("/root", "root:root"))
    outcome = answered(bench, image_id)
    assert outcome.logs.startswith("65534 [65534] /root")
    bench.drop()


def test_a_cache_named_by_the_image_is_kept_where_there_is_one(base, bench):
    program = """
import os
assert os.environ["TORCH_HOME"] == "/weights", os.environ["TORCH_HOME"]
assert os.environ["HF_HOME"] == "/tmp/.cache/huggingface", os.environ["HF_HOME"]
os.makedirs(os.environ["HF_HOME"])
"""
    image_id = build(bench, base, program, "ENV TORCH_HOME=/weights HF_HOME=/not/there", "RUN mkdir /weights")
    answered(bench, image_id)
    bench.drop()


@pytest.mark.parametrize(
    ("user", "expected"),
    [
        ("1234", "1234 [0] /"), ("1234:77", "1234 [77] /"), ("root", "65534 [65534] /root"),
        ("0:0", "65534 [65534] /root"), ("nobody:staff", "65534 [50] /nonexistent"),
    ],
)  # fmt: skip
def test_whom_it_runs_as(user, expected, base, bench):
    program = "import os\nprint(os.getuid(), sorted({os.getgid(), *os.getgroups()}), os.environ['HOME'], flush=True)"
    image_id = build(bench, base, program, user=(f"USER {user}",))
    assert answered(bench, image_id).logs.strip() == expected
    bench.drop()


def test_a_folder_named_on_the_form_is_writable(base, bench):
    program = 'open("/data/state/new", "w").write(open("/data/state/old").read())\nopen("/made/x", "w")'
    lines = ("RUN mkdir -p /data/state && echo kept > /data/state/old",)
    image_id = build(bench, base, program, *lines)
    answered(bench, image_id, writable_folders=("/data/state", "/made"))
    code, outcome, _ = bench.verdict(bench.request(image_id, limits=LIMITS))
    assert code == "CONTAINER_EXITED", outcome.note
    bench.drop()


def test_the_writable_folders_are_bounded_together(base, bench):
    program = """
import errno
def fill(path):
    try:
        with open(path, "wb") as file:
            for _ in range(64):
                file.write(bytes(1 << 20))
    except OSError as error:
        assert error.errno == errno.ENOSPC, error
        return True
full = [fill(path) for path in ("/opt/app/one", "/results/two", "/root/three")]
assert full == [True, True, True], full
"""
    image_id = build(bench, base, program)
    answered(bench, image_id, limits=replace(LIMITS, root_mib=32))
    bench.drop()
