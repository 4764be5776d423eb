"""The site's image, built by the Dockerfile and started as docker-compose.yml says: setup, web, worker.

Its packages come from wheels that this machine fetched, because an engine need not reach the index. Its database is
the tests' PostgreSQL, through a Unix socket: the containers see no network beyond one loopback that they share.
"""

import json
import os
import re
import secrets
import shutil
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
from urllib.parse import urlsplit

import psycopg
import pytest

from inference.ct.phantom import make_phantom
from inference.ct.writing import write_mha
from submissions.tests.containers import open_to_all

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
def images():
    """Build the three targets; gives {target: tag}."""
    tags = {target: f"lunasite-{target}-test:{secrets.token_hex(4)}" for target in ("web", "worker", "model-server")}
    with wheels_served() as wheels, tempfile.TemporaryDirectory() as checkout:
        strict_checkout(Path(checkout))
        arguments = ["--build-arg", f"PIP_FIND_LINKS={wheels}", "--build-arg", "PIP_NO_INDEX=1", "--network", "host"]
        for target, tag in tags.items():
            docker("build", *arguments, "--force-rm", "--target", target, "--tag", tag, checkout)
    yield tags
    for tag in tags.values():
        docker("image", "rm", "--force", tag)
    docker("image", "prune", "--force", "--filter", "label=org.opencontainers.image.title=lunasite")


@pytest.fixture(scope="module")
def database():
    """Make an empty database with compose's roles; gives (host and name as a container sees them, its address here,
    the socket's folder)."""
    url, name = os.environ["LUNASITE_TEST_DATABASE_URL"], f"lunasite_image_{secrets.token_hex(4)}"
    with psycopg.connect(url, autocommit=True) as server:
        port, folders = (server.execute(f"SHOW {what}").fetchone()[0] for what in ("port", "unix_socket_directories"))
        folder = next(item.strip() for item in folders.split(",") if Path(item.strip()).stat().st_mode & 0o001)
        if not server.execute("SELECT 1 FROM pg_roles WHERE rolname = 'lunasite'").fetchone():
            server.execute("CREATE ROLE lunasite LOGIN")
        server.execute(f"CREATE DATABASE {name} OWNER lunasite")
        yield f"{SOCKET_FOLDER.replace('/', '%2F')}:{port}/{name}", f"{url.rpartition('/')[0]}/{name}", folder
        server.execute(f"DROP DATABASE {name} WITH (FORCE)")


WORKERS = ("worker-evaluations", "worker-errands", "worker-containers")


@dataclass
class Composed:
    """The services of docker-compose.yml as containers on one loopback; each keeps its name of that file."""

    images: dict[str, str]
    database: tuple[str, str, str]
    folder: Path
    prefix: str = field(default_factory=lambda: f"lunasite-image-{secrets.token_hex(4)}-")

    def __post_init__(self) -> None:
        shutil.copytree(ROOT / "deploy", self.folder / "deploy")
        subprocess.run([self.folder / "deploy" / "make_secrets"], check=True)
        self.secrets = self.folder / "secrets"
        self.cases = self.folder / "cases"
        self.incoming = self.folder / "incoming"
        for folder in (self.cases, self.incoming):
            folder.mkdir()
            folder.chmod(0o777)
        socket = Path(os.environ["DOCKER_HOST"].removeprefix("unix://"))
        self.environment = example_environment(
            DOCKER_GID=str(socket.stat().st_gid), EVALUATION_CASES_DIR=str(self.cases)
        )
        self.file = read_compose(self.environment)
        lines = "".join(f"{name}={value}\n" for name, value in self.environment.items())
        (self.folder / ".env").write_text(f"{lines}LUNASITE_INSTANCE={self.prefix.strip('-')}\n")
        self.socket = socket

    def make_roles(self) -> None:
        """Run the script that the database's image runs when it makes the database."""
        _, here, _ = self.database
        address = urlsplit(here)
        told = {
            "POSTGRES_USER": "lunasite", "POSTGRES_DB": address.path[1:], "PGHOST": str(address.hostname),
            "PGPORT": str(address.port), "SITE_PASSWORD_FILE": str(self.secrets / "postgres_site_password"),
        }  # fmt: skip
        script = self.folder / "deploy" / "compose" / "postgres_roles.sh"
        # In compose the owner is the database's superuser; here the tests' server has another one.
        with psycopg.connect(here, autocommit=True) as server:
            server.execute("GRANT ALL ON SCHEMA public TO lunasite")
            server.execute("ALTER ROLE lunasite CREATEROLE")
        subprocess.run(["sh", script], env={**os.environ, **told}, check=True, capture_output=True)

    def start_storage(self) -> None:
        """Start the S3 server with compose's command; its container holds the loopback for the others."""
        service = self.file["services"]["seaweedfs"]
        weed = Path(sys.executable).parent / "weed"
        config = f"{self.secrets / 's3.json'}:/run/secrets/s3.json:ro"
        mounts = ["--volume", f"{weed}:/bin/weed:ro", "--volume", config, "--volume", f"{self.prefix}objects:/data"]
        known = [option for name in ("seaweedfs", "postgres") for option in ("--add-host", f"{name}:127.0.0.1")]
        command = ["busybox:static", "/bin/weed", *service["command"].split()]
        docker("run", "--detach", "--name", f"{self.prefix}seaweedfs", "--network", "none", *known, *mounts, *command)

    def start(self, name: str) -> None:
        """Start a service of the site with compose's command, on this test's database and engine."""
        inside, _, socket_folder = self.database
        service = self.file["services"][name]
        changes = {}
        if "DATABASE_URL" in service["environment"]:
            user = urlsplit(service["environment"]["DATABASE_URL"]).username
            changes["DATABASE_URL"] = f"postgres://{user}@{inside}"
        service["volumes"] = [
            str(volume).replace("/var/run/docker.sock:", f"{self.socket}:") for volume in service.get("volumes", [])
        ]
        image = self.images[service["image"].removeprefix("lunasite-")]
        arguments = run_arguments(service, image, self.prefix, changes, self.secrets)
        own = ["--name", f"{self.prefix}{name}", "--network", f"container:{self.prefix}seaweedfs"]
        mounts = ["--volume", f"{socket_folder}:{SOCKET_FOLDER}", "--volume", f"{self.incoming}:/incoming:ro"]
        docker("run", "--detach", *own, "--env-file", str(self.folder / ".env"), *mounts, *arguments)

    def exit_status(self, name: str) -> int:
        return int(docker("wait", f"{self.prefix}{name}"))

    def is_running(self, name: str) -> bool:
        return docker("inspect", "--format", "{{.State.Running}}", f"{self.prefix}{name}").strip() == "true"

    def response(self, name: str) -> str:
        return docker("logs", "--tail", "30", f"{self.prefix}{name}")

    def inside(self, name: str, *command: str, check: bool = True) -> str:
        return docker("exec", f"{self.prefix}{name}", *command, check=check)

    def close(self) -> None:
        for name in (
            "worker-containers",
            "model-server",
            "web",
            "worker-errands",
            "worker-evaluations",
            "setup",
            "seaweedfs",
        ):
            docker("stop", "--time", "20", f"{self.prefix}{name}", check=False)
            docker("rm", "--force", "--volumes", f"{self.prefix}{name}", check=False)
        for volume in ("data", "scratch", "objects"):
            docker("volume", "rm", "--force", f"{self.prefix}{volume}", check=False)


@pytest.fixture(scope="module")
def composed(images, database, tmp_path_factory):
    services = Composed(images, database, tmp_path_factory.mktemp("compose"))
    try:
        services.make_roles()
        services.start_storage()
        set_up(services)
        for name in ("web", *WORKERS):
            services.start(name)
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


def test_the_image_s_own_health_check_holds(composed, images):
    page(composed, "/health")
    check = docker("image", "inspect", "--format", "{{json .Config.Healthcheck.Test}}", images["web"])
    kind, *command = json.loads(check)
    assert kind == "CMD"
    # Docker calls a container unhealthy at the third failure in a row.
    for failure in range(3):
        if "Traceback" not in composed.inside("web", *command, check=failure == 2):
            return


def test_everything_stays_up_and_reports(composed):
    deadline = time.monotonic() + 180
    with psycopg.connect(composed.database[1], autocommit=True) as database:
        while database.execute("SELECT count(DISTINCT cluster) FROM submissions_worker").fetchone()[0] < 3:
            assert time.monotonic() < deadline, composed.response("worker-evaluations")
            time.sleep(0.5)
    for name in ("web", *WORKERS, "seaweedfs"):
        assert composed.is_running(name), composed.response(name)
    # Compose has no mail server until one is set, and says so.
    while any(
        word in (ready := page(composed, "/ready")).replace("mail: WARNING", "") for word in ("FAILED", "WARNING")
    ):
        assert time.monotonic() < deadline, f"{ready}{composed.response('web')}{composed.response('worker-containers')}"
        time.sleep(2)


def test_web_and_workers_may_write_rows_but_change_no_table(composed):
    run_sql = "from django.db import connection as c; c.cursor().execute('{}')"
    composed.inside(
        "web", "python", "manage.py", "shell", "-c", run_sql.format("SELECT count(*) FROM submissions_team")
    )
    refused = composed.inside(
        "web", "python", "manage.py", "shell", "-c", run_sql.format("DROP TABLE submissions_team"), check=False
    )
    assert "must be owner of table" in refused


def test_only_the_worker_that_imports_datasets_may_write_the_hidden_data(composed):
    write = (
        "from django.core.files.storage import storages as s; from django.core.files.base import ContentFile as C; "
        "s['datasets'].save('x', C(b'x'))"
    )
    shell = ("python", "manage.py", "shell", "-c", write)
    for name in ("worker-containers", "worker-evaluations"):
        assert "AccessDenied" in composed.inside(name, *shell, check=False)
    assert "AccessDenied" not in composed.inside("worker-errands", *shell)


def test_a_worker_s_health_check_holds(composed):
    for name in WORKERS:
        kind, check = composed.file["services"][name]["healthcheck"]["test"]
        assert kind == "CMD-SHELL"
        composed.inside(name, "sh", "-c", check.replace("$$", "$"))


def test_nothing_but_the_volumes_can_be_written(composed):
    for name in ("web", *WORKERS):
        assert "Read-only file system" in composed.inside(name, "touch", "/app/x", check=False)
        assert composed.inside(name, "sh", "-c", "grep CapEff /proc/self/status").split()[1].strip("0") == ""


def test_a_csv_and_an_image_reach_the_board(composed):
    """The way of a newcomer: an organiser's dataset and phase, a participant's token, two submissions, the board."""
    draw_dataset(composed.incoming)
    open_to_all(composed.incoming)
    manage = ("python", "manage.py")
    imported = ("import_dataset", "--kind", "lesion", "--name", "phantoms", "--truth", "/incoming/truth.csv",
                "--images", "/incoming", "--split-column", "split")  # fmt: skip
    composed.inside("web", *manage, *imported)
    composed.inside("web", *manage, "open_phase", "--dataset", "phantoms", "--slug", "phantoms", "--title", "Phantoms")
    token = composed.inside("web", *manage, "create_token", "ada", "--create").split()[-1]
    make_team = (
        "from django.contrib.auth.models import User; from submissions.teams.membership import create_team; "
        "create_team(user=User.objects.get(username='ada'), name='Team Ada')"
    )
    composed.inside("web", *manage, "shell", "-c", make_team)
    save_example(composed.incoming / "model.tar.gz")
    open_to_all(composed.incoming)
    csv_id = post(composed, token, "/api/v1/submissions", "/incoming/predictions.csv")
    image_id = post(composed, token, "/api/v1/submissions/docker", "/incoming/model.tar.gz")
    for submission in (csv_id, image_id):
        wait_until_scored(composed, token, submission)
    board = json.loads(page(composed, "/api/v1/leaderboard?phase=phantoms"))
    assert [row["team"] for row in board["rows"]] == ["Team Ada"]


def draw_dataset(folder: Path) -> None:
    """Write eight phantom chests, their truth and a CSV of predictions."""
    truth, predictions = ["PatientID,SeriesInstanceUID,LesionID,CoordX,CoordY,CoordZ,label,split"], ["id,probability"]
    for number in range(8):
        phantom = make_phantom(number, labels=(True, False), shape_zyx=(24, 64, 64), spacing_xyz_mm=(5.0, 5.0, 6.0))
        write_mha(phantom.volume, folder / f"s.{number}.mha")
        split = "sample" if number < 2 else "public"
        for lesion, nodule in enumerate(phantom.nodules, start=1):
            point = ",".join(f"{value:.3f}" for value in nodule.point_xyz_mm)
            truth.append(f"P{number},s.{number},{lesion},{point},{int(nodule.is_malignant)},{split}")
            if split == "public":
                predictions.append(f"s.{number}_{lesion},{0.9 if nodule.is_malignant else 0.2}")
    (folder / "truth.csv").write_text("\n".join(truth) + "\n")
    (folder / "predictions.csv").write_text("\n".join(predictions) + "\n")


def save_example(path: Path) -> None:
    """Build examples/http-baseline as its README says, and save it."""
    tag = f"lunasite-example:{secrets.token_hex(4)}"
    docker("build", "--force-rm", "--tag", tag, "--file", str(ROOT / "examples/http-baseline/Dockerfile"),
           str(ROOT / "examples"))  # fmt: skip
    with path.open("wb") as file:
        saved = subprocess.Popen(["docker", "save", tag], stdout=subprocess.PIPE)
        subprocess.run(["gzip", "-1"], stdin=saved.stdout, stdout=file, check=True)
        assert saved.wait() == 0
    docker("image", "rm", "--force", tag)


def post(services: Composed, token: str, path: str, file: str) -> str:
    """Send a file to the API from inside the web container; return the submission's id."""
    program = "\n".join([
        "import sys, requests",
        "path, token, file = sys.argv[1:]",
        "r = requests.post('http://127.0.0.1:8000' + path, headers={'Authorization': 'Bearer ' + token},",
        "                  data={'phase': 'phantoms'}, files={'file': open(file, 'rb')})",
        "print(r.text)",
    ])  # fmt: skip
    response = services.inside("web", "python", "-c", program, path, token, file)
    answer = json.loads(response.splitlines()[-1])
    assert "id" in answer, f"{response}{services.response('web')}{services.response('seaweedfs')}"
    return str(answer["id"])


def wait_until_scored(services: Composed, token: str, submission: str) -> None:
    program = "\n".join([
        "import sys, requests",
        "address = 'http://127.0.0.1:8000/api/v1/submissions/' + sys.argv[2]",
        "r = requests.get(address, headers={'Authorization': 'Bearer ' + sys.argv[1]})",
        "print(r.text)",
    ])  # fmt: skip
    deadline = time.monotonic() + 300
    while True:
        state = json.loads(services.inside("web", "python", "-c", program, token, submission))
        if state["evaluation_status"] == "completed":
            return
        words = f"{state}\n{services.response('worker-evaluations')}{services.response('worker-containers')}"
        assert state["evaluation_status"] in ("pending", "running"), words
        assert time.monotonic() < deadline, words
        time.sleep(2)


def test_the_model_server_answers(composed):
    composed.start("model-server")
    deadline = time.monotonic() + 60
    program = "import socket; socket.create_connection(('127.0.0.1', 8500), timeout=2)"
    while "Error" in composed.inside("model-server", "python", "-c", program, check=False):
        assert time.monotonic() < deadline, composed.response("model-server")
        time.sleep(1)


@pytest.mark.parametrize("target", ["web", "worker", "model-server"])
def test_each_image_holds_what_runs_and_nothing_else(images, target):
    def told(*command: str) -> str:
        return docker("run", "--rm", "--network", "none", images[target], *command).strip()

    hidden = ["find", "/app", "/opt/packages", "(", "!", "-readable", "-o", "-type", "d", "!", "-executable", ")"]
    assert (told("id", "-u"), told("id", "-g")) == (UID, UID)
    assert told(*hidden) == ""
    assert told("find", "/app", "-name", "tests", "-o", "-name", "docs", "-o", "-name", "benchmarks") == ""
    labels = json.loads(docker("image", "inspect", "--format", "{{json .Config.Labels}}", images[target]))
    assert labels["org.opencontainers.image.licenses"] == "Apache-2.0"


def test_torch_in_the_image_is_the_cpu_build(images):
    response = docker(
        "run", "--rm", "--network", "none", images["web"], "python", "-c", "import torch; print(torch.version.cuda)"
    )
    assert response.strip() == "None", "set TORCH_INDEX to the CPU index named on PyTorch's install page"
