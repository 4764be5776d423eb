"""The services of docker-compose.yml, started by its own commands on the tests' engine, PostgreSQL and base images.

The containers see no network beyond one loopback that they share; the database is reached by a Unix socket.
"""

import os
import secrets
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest

from .built_images import docker
from .compose_file import ROOT, example_environment, read_compose, run_arguments

UID = 10001
WORKERS = ("worker-evaluations", "worker-errands", "worker-containers")
SOCKET_FOLDER = "/run/postgresql"
FETCH = """
import sys, urllib.request
print(urllib.request.urlopen("http://127.0.0.1:8000" + sys.argv[1], timeout=60).read().decode())
"""


@contextmanager
def database_made() -> Iterator[tuple[str, str, str]]:
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
        self.cases.mkdir()
        os.chown(self.cases, UID, UID)  # as docs/deployment.md says
        self.incoming.mkdir(mode=0o755)
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
        mounts = ["--volume", f"{weed}:/bin/weed:ro", "--volume", f"{self.prefix}objects:/data"]
        for secret in service["secrets"]:
            mounts += ["--volume", f"{self.secrets / secret}:/run/secrets/{secret}:ro"]
        for variable, value in service["environment"].items():
            mounts += ["--env", f"{variable}={value}"]
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
        # Under compose each container has a host name of its own; here they share the first one's.
        own += ["--env", f"WORKER_NAME={name}"]
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
        names = ("backup", *WORKERS, "model-server", "web", "setup", "seaweedfs")
        for name in names:
            docker("stop", "--time", "20", f"{self.prefix}{name}", check=False)
            docker("rm", "--force", "--volumes", f"{self.prefix}{name}", check=False)
        for volume in ("data", "scratch", "objects", "backup"):
            docker("volume", "rm", "--force", f"{self.prefix}{volume}", check=False)
        # What the container worker has loaded and built, under this site's name.
        for tag in docker("images", "--format", "{{.Repository}}:{{.Tag}}").split():
            if tag.startswith(self.prefix):
                docker("image", "rm", "--force", tag, check=False)


@contextmanager
def site_composed(images: dict[str, str], database: tuple[str, str, str], folder: Path) -> Iterator[Composed]:
    services = Composed(images, database, folder)
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
    """Return a page of `web`, fetched inside its container, once it answers. Fails when it ends or takes long."""
    deadline = time.monotonic() + 180
    while True:
        done = services.inside("web", "python", "-c", FETCH, path, check=False)
        if "Traceback" not in done:
            return done
        assert services.is_running("web"), services.response("web")
        assert time.monotonic() < deadline, done + services.response("web")
        time.sleep(1)
