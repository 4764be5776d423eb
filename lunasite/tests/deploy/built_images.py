"""The images of the Dockerfile, built on the tests' engine and removed again with all that the builds left.

Its packages come from wheels that this machine fetched, because an engine need not reach the index.
"""

import os
import secrets
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from .compose_file import ROOT

# What the base image has; the stand-in is Debian's, and below 3.11.3 redis needs one package more.
BASE_PYTHON, BASE_PYTHON_NEEDS = "3.11.2", "async-timeout"


def docker(*arguments: str, check: bool = True) -> str:
    """Return what a docker command prints. Raises AssertionError with its words when it fails."""
    done = subprocess.run(
        ["docker", *arguments], capture_output=True, text=True, env={**os.environ, "DOCKER_BUILDKIT": "0"}
    )
    assert done.returncode == 0 or not check, (
        f"docker {' '.join(arguments)}\n{done.stdout[-3000:]}{done.stderr[-3000:]}"
    )
    return done.stdout + done.stderr


@contextmanager
def images_built() -> Iterator[dict[str, str]]:
    """Build every stage and target; gives {name: tag}. By their tags all of them are removed again."""
    run_id = secrets.token_hex(4)
    stages = ["packages", "code", "web", "worker", "model-server"]
    tags = {stage: f"lunasite-{stage}-test:{run_id}" for stage in stages}
    try:
        with tempfile.TemporaryDirectory() as checkout:
            strict_checkout(Path(checkout))
            with wheels_served() as wheels:
                arguments = ["--build-arg", f"PIP_FIND_LINKS={wheels}", "--build-arg", "PIP_NO_INDEX=1"]
                build("packages", tags, checkout, "--network", "host", *arguments)
            for stage in stages[1:]:
                build(stage, tags, checkout, "--network", "none", *arguments)
            build_backup(tags, Path(checkout), run_id)
        yield tags
    finally:
        for tag in tags.values():
            docker("image", "rm", "--force", tag, check=False)


def build_backup(tags: dict[str, str], checkout: Path, run_id: str) -> None:
    """Build compose's image of the backups on this run's worker, with PostgreSQL's tools from Debian's mirror."""
    file = checkout / "deploy" / "compose" / "backup.Dockerfile"
    text = file.read_text()
    assert "FROM lunasite-worker\n" in text
    # Not by that name itself: on an engine in use it is the site's.
    file.write_text(text.replace("FROM lunasite-worker\n", f"FROM {tags['worker']}\n"))
    tags["backup"] = f"lunasite-backup-test:{run_id}"
    docker("build", "--force-rm", "--network", "host", "--tag", tags["backup"], "--file", str(file), str(file.parent))


def build(stage: str, tags: dict[str, str], checkout: str, *arguments: str) -> None:
    docker("build", *arguments, "--force-rm", "--target", stage, "--tag", tags[stage], checkout)


@contextmanager
def wheels_served() -> Iterator[str]:
    """Fetch the wheels of requirements.txt and serve them on loopback. Gives the address."""
    with tempfile.TemporaryDirectory() as folder:
        index = ["--extra-index-url", os.environ["TORCH_INDEX"]] if os.environ.get("TORCH_INDEX") else []
        wanted = ["-r", "requirements.txt", BASE_PYTHON_NEEDS, "--python-version", BASE_PYTHON, "--only-binary=:all:"]
        subprocess.run(
            [sys.executable, "-m", "pip", "download", "--quiet", "--dest", folder, *index, *wanted],
            cwd=ROOT,
            check=True,
        )
        server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=folder))
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/"
        finally:
            server.shutdown()
            server.server_close()


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Say nothing of each wheel."""


def strict_checkout(folder: Path) -> None:
    """Copy what git tracks, readable by its owner only: a checkout under umask 077."""
    names = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in filter(None, names.split("\0")):
        if (ROOT / name).is_file():
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            target.write_bytes((ROOT / name).read_bytes())
            target.chmod(0o700 if os.access(ROOT / name, os.X_OK) else 0o600)
