"""The site's image, built by the Dockerfile and started as docker-compose.yml says: setup, web, worker.

Its packages come from wheels that this machine fetched, because an engine need not reach the index. Its database is
the tests' PostgreSQL, through a Unix socket: the containers see no network beyond one loopback that they share.
"""

import json
import os
import re
import secrets
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import psycopg
import pytest

from .compose_file import ROOT, example_environment, read_compose, run_arguments

pytestmark = [pytest.mark.image, pytest.mark.engine, pytest.mark.postgres, pytest.mark.timeout(1200)]

# What the base image has; the stand-in is Debian's, and below 3.11.3 redis needs one package more.
BASE_PYTHON, BASE_PYTHON_NEEDS = "3.11.2", "async-timeout"
SOCKET_FOLDER = "/run/postgresql"
UID = "10001"
FETCH = """
import sys, urllib.request
print(urllib.request.urlopen("http://127.0.0.1:8000" + sys.argv[1], timeout=60).read().decode())
"""


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
        threading.Thread(target=server.serve_forever, daemon=True).start()
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


@pytest.fixture(scope="module")
def image():
    tag = f"lunasite-image-test:{secrets.token_hex(4)}"
    with wheels_served() as wheels, tempfile.TemporaryDirectory() as checkout:
        strict_checkout(Path(checkout))
        arguments = ["--build-arg", f"PIP_FIND_LINKS={wheels}", "--build-arg", "PIP_NO_INDEX=1"]
        # --no-cache and --force-rm: nothing of this build stays behind for another.
        docker("build", "--network", "host", "--no-cache", "--force-rm", *arguments, "--tag", tag, checkout)
    yield tag
    docker("image", "rm", "--force", tag)


@pytest.fixture(scope="module")
def database():
    """Make an empty database and give (its address as a container sees it, its address here, the socket's folder)."""
    url, name = os.environ["LUNASITE_TEST_DATABASE_URL"], f"lunasite_image_{secrets.token_hex(4)}"
    with psycopg.connect(url, autocommit=True) as server:
        port, folders = (server.execute(f"SHOW {what}").fetchone()[0] for what in ("port", "unix_socket_directories"))
        folder = next(item.strip() for item in folders.split(",") if Path(item.strip()).stat().st_mode & 0o001)
        server.execute(f"CREATE DATABASE {name}")
        inside = f"postgres://postgres@{SOCKET_FOLDER.replace('/', '%2F')}:{port}/{name}"
        yield inside, f"{url.rpartition('/')[0]}/{name}", folder
        server.execute(f"DROP DATABASE {name} WITH (FORCE)")


@dataclass
class Composed:
    """The services of docker-compose.yml as containers on one loopback; each keeps its name of that file."""

    image: str
    database: tuple[str, str, str]
    folder: Path
    prefix: str = field(default_factory=lambda: f"lunasite-image-{secrets.token_hex(4)}-")

    def __post_init__(self) -> None:
        names = ("SECRET_KEY", "POSTGRES_PASSWORD", "MINIO_SECRET_KEY")
        self.environment = example_environment(**{name: secrets.token_hex(32) for name in names})
        self.file = read_compose(self.environment)
        lines = "".join(f"{name}={value}\n" for name, value in self.environment.items())
        (self.folder / ".env").write_text(lines)

    def start_storage(self) -> None:
        """Start the S3 server with compose's command; its container holds the loopback for the others."""
        service = self.file["services"]["seaweedfs"]
        config, target = self.folder / "s3.json", service["configs"][0]["target"]
        config.write_text(self.file["configs"]["s3"]["content"])
        weed = Path(sys.executable).parent / "weed"
        mounts = ["--volume", f"{weed}:/bin/weed:ro", "--volume", f"{config}:{target}:ro", "--tmpfs", "/data"]
        known = [option for name in ("seaweedfs", "postgres") for option in ("--add-host", f"{name}:127.0.0.1")]
        command = ["busybox:static", "/bin/weed", *service["command"].split()]
        docker("run", "--detach", "--name", f"{self.prefix}seaweedfs", "--network", "none", *known, *mounts, *command)

    def start(self, name: str) -> None:
        """Start a service of the site with compose's command, on this test's database."""
        inside, _, socket_folder = self.database
        arguments = run_arguments(self.file["services"][name], self.image, self.prefix, {"DATABASE_URL": inside})
        own = ["--name", f"{self.prefix}{name}", "--network", f"container:{self.prefix}seaweedfs"]
        socket = ["--env-file", str(self.folder / ".env"), "--volume", f"{socket_folder}:{SOCKET_FOLDER}"]
        docker("run", "--detach", *own, *socket, *arguments)

    def exit_status(self, name: str) -> int:
        return int(docker("wait", f"{self.prefix}{name}"))

    def is_running(self, name: str) -> bool:
        return docker("inspect", "--format", "{{.State.Running}}", f"{self.prefix}{name}").strip() == "true"

    def response(self, name: str) -> str:
        return docker("logs", "--tail", "30", f"{self.prefix}{name}")

    def inside(self, name: str, *command: str, check: bool = True) -> str:
        return docker("exec", f"{self.prefix}{name}", *command, check=check)

    def close(self) -> None:
        for name in ("web", "worker-evaluations", "setup", "seaweedfs"):
            docker("rm", "--force", "--volumes", f"{self.prefix}{name}", check=False)
        docker("volume", "rm", "--force", f"{self.prefix}data", check=False)


@pytest.fixture(scope="module")
def composed(image, database, tmp_path_factory):
    services = Composed(image, database, tmp_path_factory.mktemp("compose"))
    try:
        services.start_storage()
        set_up(services)
        services.start("web")
        services.start("worker-evaluations")
        yield services
    finally:
        services.close()


def set_up(services: Composed) -> None:
    """Run compose's `setup`, again while the S3 server is not ready: compose restarts it ten times too."""
    for _ in range(10):
        services.start("setup")
        if services.exit_status("setup") == 0:
            return
        response = services.response("setup")
        docker("rm", "--volumes", f"{services.prefix}setup")
        time.sleep(2)
    pytest.fail(f"setup: {response}")


def page(services: Composed, path: str) -> str:
    """Return a page of `web`, fetched inside its container, once it answers. Fails when it ends or takes a minute."""
    deadline = time.monotonic() + 60
    while True:
        done = services.inside("web", "python", "-c", FETCH, path, check=False)
        if "Traceback" not in done:
            return done
        assert services.is_running("web"), services.response("web")
        assert time.monotonic() < deadline, done + services.response("web")
        time.sleep(1)


def test_web_serves_a_page_and_its_style_as_another_user_than_root(composed):
    home = page(composed, "/")
    assert "</html>" in home
    assert composed.inside("web", "id", "-u").strip() == UID
    style = re.search(r'href="(/static/[^"]+\.[0-9a-f]{12}\.css)"', home)
    assert style is not None, home
    assert "{" in page(composed, style[1])


def test_the_image_s_own_health_check_holds(composed, image):
    page(composed, "/health")
    check = docker("image", "inspect", "--format", "{{json .Config.Healthcheck.Test}}", image)
    kind, *command = json.loads(check)
    assert kind == "CMD"
    composed.inside("web", *command)


def test_a_worker_reports_and_everything_stays_up(composed):
    deadline = time.monotonic() + 60
    with psycopg.connect(composed.database[1], autocommit=True) as database:
        while not database.execute("SELECT count(*) FROM submissions_worker").fetchone()[0]:
            assert time.monotonic() < deadline, composed.response("worker-evaluations")
            time.sleep(0.5)
    for name in ("web", "worker-evaluations", "seaweedfs"):
        assert composed.is_running(name), composed.response(name)


def test_the_user_of_the_image_may_read_all_of_the_site(image):
    hidden = ["find", "/app", "(", "!", "-readable", "-o", "-type", "d", "!", "-executable", ")"]
    assert docker("run", "--rm", "--network", "none", image, "id", "-u").strip() == UID
    assert docker("run", "--rm", "--network", "none", image, *hidden).strip() == ""


def test_torch_in_the_image_is_the_cpu_build(image):
    response = docker(
        "run", "--rm", "--network", "none", image, "python", "-c", "import torch; print(torch.version.cuda)"
    )
    assert response.strip() == "None", "set TORCH_INDEX to the CPU index named on PyTorch's install page"
