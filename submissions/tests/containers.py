"""A real engine for tests: images built from tiny programs, run by the real runners, and nothing left."""

import contextlib
import fcntl
import json
import os
import secrets
import shutil
import subprocess
import tempfile
import time
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from submissions.kinds import KINDS
from submissions.runner.attempt import Host
from submissions.runner.base import Limits, RunCallbacks, RunCase, RunError, RunRequest, RunResult
from submissions.runner.cluster.slurm import SlurmEngine, SlurmRunner
from submissions.runner.cluster.slurm_commands import Place
from submissions.runner.contracts import CONTRACTS
from submissions.runner.engine.docker import DockerEngine
from submissions.runner.engine.podman import PodmanEngine
from submissions.runner.host.driver_image import driver_image

HOSTILE = Path(__file__).parent / "hostile"
PREFIX = "luna"
TEST_LIMITS = Limits(memory_mib=256, cpus=1.0, timeout_s=60, startup_s=20, predict_timeout_s=10, tmp_mib=64, shm_mib=16)


def open_to_all(folder):
    """Give a build context an ordinary checkout's modes: by the site's umask an image's user could not read it."""
    for path in [Path(folder), *Path(folder).rglob("*")]:
        if not path.is_symlink():
            path.chmod(path.stat().st_mode | (0o755 if path.is_dir() else 0o644))


def docker(*arguments, text=None, host=None):
    """Run the docker command line and return what it prints. host: of an engine, else that of DOCKER_HOST."""
    command = ["docker", *(["--host", host] if host else []), *arguments]
    done = subprocess.run(command, input=text, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@contextlib.contextmanager
def images_kept():
    """Let no other process of the suite remove an image meanwhile: what two build of the same files is one image."""
    with _lock_of_images(fcntl.LOCK_SH):
        yield


@contextlib.contextmanager
def images_removed():
    """Wait until no other process of the suite builds or loads an image, and hold them back."""
    with _lock_of_images(fcntl.LOCK_EX):
        yield


@contextlib.contextmanager
def _lock_of_images(how):
    with open(Path(tempfile.gettempdir()) / "lunasite-tests-images.lock", "w") as lock:
        fcntl.flock(lock, how)
        yield


@dataclass
class Bench:
    """An engine with a driver image, an instance name of its own, and the images it built."""

    host: Host
    folder: Path
    address: str = ""
    built: list[str] = field(default_factory=list)
    runs: int = 0

    @property
    def engine(self):
        return self.host.engine

    @property
    def instance(self):
        return self.host.instance

    @property
    def is_podman(self):
        return isinstance(self.engine, PodmanEngine)

    @property
    def is_slurm(self):
        return isinstance(self.engine, SlurmEngine)

    @property
    def docker_driver(self):
        """The driver image as Docker knows it, to build on; loaded where the bench's engine is another."""
        return driver_image().image_id if self.is_slurm else self.host.driver_image

    def docker(self, *arguments, text=None):
        """Run the docker command line on this engine and return what it prints."""
        return docker(*arguments, text=text, host=self.address)

    def build(self, dockerfile, context=None, *, is_base=False):
        """Build an image and return its ID. is_base: others are built on it, and it is not run itself."""
        tag = f"{self.instance}-built:{len(self.built)}"
        common = ["build", "-q", "--network", "none", "-t", tag]
        with images_kept():
            if context is None:
                image_id = self.docker(*common, "-", text=dockerfile)
            else:
                open_to_all(context)
                image_id = self.docker(*common, "-f", "-", str(context), text=dockerfile)
        self.built.append(tag)
        if self.is_slurm and is_base:
            return ""
        if self.is_slurm:
            loaded = self.engine.load([subprocess.run(["docker", "save", tag], check=True, capture_output=True).stdout])
            self.engine.tag(loaded, *tag.split(":"))
        return self.engine.image(tag).image_id if image_id else ""

    def drop(self, count=1):
        for _ in range(count):
            tag = self.built.pop()
            with images_removed():
                self.engine.remove_image(tag)
                if self.is_slurm:  # which Docker built for it
                    self.docker("rmi", tag)

    def cases(self, count=4):
        """Return lesions, two to a series, whose files say which they are."""
        root = self.folder / "cases"
        root.mkdir(parents=True, exist_ok=True)
        root.chmod(0o755)
        cases = []
        for number in range(count):
            path = root / f"{number // 2}.mha"
            path.write_bytes(b"voxels-of-case-%d;" % (number // 2) * 200)
            path.chmod(0o644)
            clinical = {"Gender": "Male", "Age_at_StudyDate": "61", "label": number % 2}
            facts = {"point_xyz_mm": [1.5 * number, -2.0, 3.0], "clinical": clinical}
            cases.append(RunCase(f"hidden-{number}", path, f"1.2.{number // 2}", facts))
        return cases

    def request(self, image_id, **changes):
        self.runs += 1
        request = RunRequest(
            evaluation=f"t{self.runs}",
            attempt=1,
            image_id=image_id,
            contract="http",
            cases=self.cases(),
            limits=TEST_LIMITS,
            kind=KINDS["lesion"],
            cases_root=self.folder / "cases",
            run_dir=self.folder / f"run-{self.runs}",
            seed=7,
        )
        return replace(request, **changes)

    def run(self, request, watcher=None) -> RunResult:
        runner = SlurmRunner(self.host, self.engine) if self.is_slurm else CONTRACTS[request.contract].runner(self.host)
        return runner.run(request, watcher or RunCallbacks())

    def verdict(self, request, at_each_look=lambda: None):
        """Return (code, error or result, seconds) of a run; code None when it was answered."""
        started = time.monotonic()
        try:
            result = self.run(request, RunCallbacks(is_cancelled=lambda: bool(at_each_look() and False)))
        except RunError as error:
            return error.code, error, time.monotonic() - started
        return None, result, time.monotonic() - started

    def left_behind(self):
        """Return the names of containers and volumes that carry this instance's label."""
        ours = {f"{PREFIX}.instance": self.instance}
        return [container.name for container in self.engine.own_containers(ours)] + list(self.engine.own_volumes(ours))


# Tests of what every engine must keep run once on each.
ENGINES = [pytest.param("docker"), pytest.param("podman", marks=pytest.mark.podman)]
# In a job of Slurm the containers are runc's: what only an engine's own words show is not to be had there.
# Each image is saved, sent and unpacked once more for it, which a busy machine takes minutes for.
SLURM = pytest.param("slurm", marks=[pytest.mark.slurm, pytest.mark.timeout(900)])
on_each_engine = pytest.mark.parametrize("bench", ENGINES, indirect=True, scope="module")


def slurm_place(*partitions):
    """Return where the tests' cluster runs evaluations, as `.ci/start_slurm` says it; no other test ends node one."""
    state = Path(os.environ["LUNASITE_TEST_SLURM"])
    os.environ["SLURM_CONF"] = str(state / "slurm.conf")
    return Place(state / "store", partitions or ("one",), job_user=os.environ["LUNASITE_TEST_SLURM_USER"])


def engine_for_tests(name, folder):
    """Return (an engine of that name, its address)."""
    if name == "podman":
        address = os.environ["LUNASITE_TEST_PODMAN"]
        return PodmanEngine(address, folder), address
    if name == "slurm":
        return SlurmEngine(slurm_place()), os.environ["DOCKER_HOST"]  # which builds the images
    return DockerEngine(os.environ["DOCKER_HOST"]), os.environ["DOCKER_HOST"]


@contextlib.contextmanager
def node_two():
    """Hold the cluster's second node, whose daemon one of the tests ends, for this process."""
    with open(slurm_place().store.parent / "node-two.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def bench_at(folder, name="docker"):
    """Give a bench on an engine; afterwards nothing of it is left there."""
    if name == "slurm":  # pytest keeps the user of the jobs out of its own folders
        folder = Path(tempfile.mkdtemp(dir=slurm_place().store.parent))
    engine, address = engine_for_tests(name, folder)
    image, instance = driver_image(), f"test{secrets.token_hex(4)}"
    kept = f"{instance}-kept", "driver"
    with images_kept():
        driver = engine.image(image.image_id)
        driver_id = driver.image_id if driver else engine.load([image.archive]) or image.image_id
        # Without a tag it would leave together with the first image built on it.
        engine.tag(driver_id, *kept)
        if name == "slurm":  # Docker builds for it
            subprocess.run(["docker", "load", "-q"], input=image.archive, check=True, capture_output=True)
            docker("tag", image.image_id, ":".join(kept), host=address)
    for path in (folder, *([] if name == "slurm" else folder.parents[:2])):
        path.chmod(0o755)
    bench = Bench(Host(engine, driver_id, PREFIX, instance), folder, address)
    yield bench
    left = bench.left_behind()
    bench.drop(len(bench.built))
    with images_removed():  # the tag: by its ID it would leave under others, who have one tag on it too
        engine.remove_image(":".join(kept))
        if name == "slurm":
            docker("rmi", ":".join(kept), host=address)
    images = [tag for tag in bench.docker("images", "--format", "{{.Repository}}").split() if bench.instance in tag]
    engine.close()
    shutil.rmtree(folder, ignore_errors=True)
    assert (left, images) == ([], [])


@dataclass(frozen=True)
class Hostile:
    """One variant of a hostile program beside what must be said of it."""

    name: str
    args: tuple
    expected: dict

    def __str__(self):
        return "-".join([self.name, *map(str, self.args)])[:50]


def hostile_variants():
    """Return every variant of every folder."""
    found = []
    for path in sorted(HOSTILE.glob("*/expected.json")):
        common = json.loads(path.read_text())
        for variant in common.pop("variants", [{}]):
            merged = common | variant
            merged["limits"] = common.get("limits", {}) | variant.get("limits", {})
            found.append(Hostile(path.parent.name, tuple(variant.get("args", ())), merged))
    return found


def hostile_dockerfile(hostile, base):
    program = ["python3", f"/hostile/{hostile.name}/program.py", *hostile.args]
    command = hostile.expected.get("command", program)
    lines = [f"FROM {base}", *hostile.expected.get("dockerfile", []), f"CMD {json.dumps(command)}"]
    return "\n".join(lines) + "\n"
