"""The commands that participants copy run an image as the site does: whom it is, what it may write to."""

import os
import subprocess

import pytest

from submissions.runner.contracts import CONTRACTS
from submissions.runner.docker_run_command import docker_run_command
from submissions.tests.containers import HOSTILE
from submissions.tests.foreign_images.test_habits import AS_ROOT, BASE, LIMITS, MAKE_USER

pytestmark = pytest.mark.engine
PROGRAM = """
import os, pathlib
def told(path):
    try:
        pathlib.Path(path, "new").write_text("x")
    except OSError as error:
        return type(error).__name__
    return "written"
kept = open("weights.bin").read()
print(
    os.getuid(), sorted({os.getgid(), *os.getgroups()}), os.environ["HOME"], kept,
    *map(told, ("/data/model", "/results", "/opt", "/tmp")),
)
"""
AS_USER = (MAKE_USER, "RUN mkdir -p /results && chown -R user:user /data/model /results", "USER user")


@pytest.mark.parametrize(
    ("user", "told"),
    [
        (AS_USER, "1234 [1234, 2000] /home/user weights written written OSError written"),
        (AS_ROOT, "65534 [65534] /root weights written written OSError written"),
    ],
    ids=["user", "root"],
)
def test_the_copied_commands_do_as_the_site_does(user, told, bench, tmp_path):
    bench.build(BASE, HOSTILE)
    source = "\\n".join(PROGRAM.strip().splitlines())
    setup = ["WORKDIR /data/model", "RUN printf weights > weights.bin", f"RUN printf '%b' '{source}' > /app.py", *user]
    bench.build("\n".join([f"FROM {bench.built[-1]}", *setup, 'CMD ["python3", "/app.py"]']) + "\n")
    script = docker_run_command(LIMITS, CONTRACTS["batch"]).replace("IMAGE=my-model", f"IMAGE={bench.built[-1]}")
    script = script.replace(" busybox ", f" --user 0 --entrypoint '' {bench.built[-2]} ")
    script = script.replace("lunasite-", f"{bench.instance}-")

    done = subprocess.run(
        ["sh", "-ec", script], cwd=tmp_path, env={**os.environ}, capture_output=True, text=True, timeout=120
    )

    bench.drop(2)
    assert done.returncode == 0, done.stderr
    assert told in done.stdout, done.stdout + done.stderr
