"""This machine as a host of containers: its engine, its pinned driver image, its locks and marks."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import secrets
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import IO

import structlog
from django.conf import settings

from submissions.models import Evaluation
from submissions.outages import probes
from submissions.outages.hosts import this_host
from submissions.runner.attempt import Host, Means
from submissions.runner.base import Engine, EngineFault, Runner
from submissions.runner.cluster.slurm import SlurmEngine, SlurmRunner
from submissions.runner.cluster.slurm_commands import Place
from submissions.runner.contracts import CONTRACTS
from submissions.runner.engine.docker import DockerEngine
from submissions.runner.engine.podman import PodmanEngine
from submissions.runner.host.disk import engine_free_bytes
from submissions.runner.host.driver_image import DRIVER_DIR, driver_image
from submissions.runner.host.image_cache import ImageCache
from submissions.runner.host.reaper import reap
from submissions.runner.host.selftest import Check, Findings, findings, version_checks

log = structlog.get_logger(__name__)
PREFIX = "luna"
SELF_TEST_EVERY_S = 1800.0
UNKNOWN = "EVALUATION_ENGINE must be docker, podman or slurm, not "
REFUSED = {
    "swarm": "EVALUATION_ENGINE=swarm: Swarm has no `network none`, so a model's container would reach others; "
    "give each host its own engine and `manage.py work containers` instead",
}
_tested_at: dict[str, float] = {}
_means: dict[str, Means] = {}


def state_dir() -> Path:
    """Return the folder of what this host knows of its engines; it is shared with no other host."""
    folder = Path(settings.DATA_DIR) / "engine"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def connect() -> Engine:
    """Return a connection to the engine that EVALUATION_ENGINE and DOCKER_HOST name. Raises EngineFault."""
    name, address = settings.EVALUATION_ENGINE, settings.DOCKER_HOST or None
    if name == "docker":
        return DockerEngine(address)
    if name == "podman":
        return PodmanEngine(address, state_dir())
    if name == "slurm":
        place = {key: value for key, value in settings.SLURM.items() if key != "jobs_at_once"}
        return SlurmEngine(Place(**place))
    raise EngineFault("The engine is not one that evaluations run on.", staff_detail=REFUSED.get(name, UNKNOWN + name))


def engine_problem() -> str:
    """Return why this host's engine cannot be used now, or ""."""
    try:
        engine = connect()
        try:
            root = engine.facts().root
            is_here = engine.is_local and os.path.isdir(root)
        finally:
            engine.close()
    except EngineFault as fault:
        return f"its engine does not answer ({fault.note} {fault.staff_detail})"[:400]
    # Of an engine in another place only a container could tell; `make_room` asks one before it loads an image.
    free_bytes = shutil.disk_usage(root).free if is_here else probes.MIN_FREE_BYTES
    return "" if free_bytes >= probes.MIN_FREE_BYTES else f"its engine's disk has only {free_bytes >> 20} MiB free"


def runtime() -> str | None:
    return settings.EVALUATION_RUNTIME or None


def container_host(engine: Engine) -> Host:
    """Return this host once its sandbox is proven; raises EngineFault when it must not run containers."""
    host = Host(engine, pinned_driver(engine), PREFIX, settings.INSTANCE, runtime())
    tested_at = _tested_at.get(host.driver_image)
    if tested_at is None or time.monotonic() - tested_at > SELF_TEST_EVERY_S:
        report = _report(host)
        every = version_checks(host.engine.facts(), host.runtime) + report.checks
        if failed := [check for check in every if check.is_fatal and not check.ok]:
            lines = "; ".join(f"{check.name}: {check.detail}" for check in failed)
            raise EngineFault("The self-test of the sandbox failed.", staff_detail=lines)
        _tested_at[host.driver_image] = time.monotonic()
        _means[host.driver_image] = report.means
    means = _means.get(host.driver_image, Means())
    return replace(host, means=means, runs_at_once=settings.CONTAINER_WORKERS)


def _report(host: Host) -> Findings:
    """Prove the sandbox: here, or by a job on each partition of a cluster. Raises EngineFault."""
    if isinstance(host.engine, SlurmEngine):
        return Findings(host.engine.self_test(host, cases_dir()), Means())
    return findings(host, cases_dir())


def checks(host: Host) -> list[Check]:
    """Return the doctor's report on this host's engine and sandbox."""
    return version_checks(host.engine.facts(), host.runtime) + _report(host).checks


def runner_of(host: Host, contract: str) -> Runner:
    """Return what runs requests of a contract: on this host's engine, or as jobs of a cluster."""
    if isinstance(host.engine, SlurmEngine):
        return SlurmRunner(host, host.engine)
    return CONTRACTS[contract].runner(host)


def cases_dir() -> Path:
    folder = Path(settings.EVALUATION_CASES_DIR)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


# The driver image


def driver_repository() -> str:
    return f"{settings.INSTANCE}-driver"


def _driver_sources() -> str:
    """Return a digest of the driver's code, to notice an image of another version."""
    digest = sha256()
    for path in sorted(DRIVER_DIR.glob("*.py")):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def _pin_path(engine: Engine) -> Path:
    name = sha256(engine.facts().engine_id.encode()).hexdigest()[:16]
    return state_dir() / f"driver-{name}.json"


def build_driver(engine: Engine) -> str:
    """Build the driver image, load it where it is missing, pin it by ID; return the ID."""
    image = driver_image()
    present = engine.image(image.image_id) or engine.image(engine.load([image.archive]) or image.image_id)
    if present is None:
        raise EngineFault("The driver image did not arrive.", staff_detail=image.image_id)
    for image_id, tags in engine.tags(driver_repository()).items():
        for tag in tags if image_id != present.image_id else []:
            engine.remove_image(tag)
    engine.tag(present.image_id, driver_repository(), "pinned")
    pin = {"image_id": present.image_id, "sources": _driver_sources()}
    path = _pin_path(engine)
    # Of its own: the reaper and the evaluations of a new host may build at once.
    part = path.with_suffix(f".{secrets.token_hex(6)}")
    part.write_text(json.dumps(pin))
    part.rename(path)
    return present.image_id


def pinned_driver(engine: Engine) -> str:
    """Return the pinned image's ID; it is built on the first use of an engine and after an update.

    Raises EngineFault naming the image when it is missing or replaced.
    """
    path = _pin_path(engine)
    if not path.is_file():
        return build_driver(engine)
    pin = json.loads(path.read_text())
    name = f"{driver_repository()}:pinned"
    tagged = engine.image(name)
    if tagged is None or tagged.image_id != pin["image_id"]:
        state = "missing" if tagged is None else f"replaced by {tagged.image_id}"
        detail = f"driver image {name} ({pin['image_id']}) is {state}; run manage.py build_driver"
        raise EngineFault("The driver image is not the pinned one.", staff_detail=detail)
    if pin["sources"] != _driver_sources():
        log.info("driver image of another version, building it anew")
        return build_driver(engine)
    return str(pin["image_id"])


# Room and leftovers


def image_cache(engine: Engine) -> ImageCache:
    return ImageCache(engine, settings.INSTANCE)


@contextlib.contextmanager
def one_load_at_a_time(check: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Hold this host's load lock; a killed worker lets go of it. check: called while waiting; may raise."""
    with open(state_dir() / "load.lock", "w") as lock:
        while not is_locked(lock):
            check()
            time.sleep(0.2)
        yield


def is_locked(lock: IO[str]) -> bool:
    """Lock the file for this process and return True, or False where another holds it."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextlib.contextmanager
def marked_as_loading(image_id: str) -> Iterator[None]:
    """Leave a mark while an image is loaded, so that one whose worker died is still known as ours."""
    mark = state_dir() / f"loading-{image_id.removeprefix('sha256:')}"
    mark.touch()
    yield
    mark.unlink(missing_ok=True)


def adopt_half_loaded(engine: Engine) -> None:
    """Take images into the keeper's care whose worker died between load and mark; later, if one is loaded now."""
    with open(state_dir() / "load.lock", "w") as lock:
        if not is_locked(lock):
            return
        for mark in state_dir().glob("loading-*"):
            image_id = f"sha256:{mark.name.removeprefix('loading-')}"
            if engine.image(image_id) is not None:
                image_cache(engine).mark_used(image_id, time.time())
            mark.unlink(missing_ok=True)


def make_room(host: Host, wanted_bytes: int) -> None:
    """Let unused images go until `wanted_bytes` are free. Raises EngineFault(SYSTEM_DISK)."""
    # Between two containers of an evaluation, as while its end is held back, nothing on the engine keeps its image.
    in_use = Evaluation.objects.running_on(this_host()).exclude(submission__image_id="")
    ids = set(in_use.values_list("submission__image_id", flat=True))
    left = image_cache(host.engine).make_room(wanted_bytes, lambda: engine_free_bytes(host), ids)
    if left:
        log.info("images removed for room", count=len(left))
    free = engine_free_bytes(host)
    if free < wanted_bytes:
        detail = f"{free >> 20} MiB free on the engine, {wanted_bytes >> 20} MiB wanted"
        raise EngineFault("The engine's disk is too full.", code="SYSTEM_DISK", staff_detail=detail)


def is_live(evaluation: str, attempt: int) -> bool:
    """Say whether a worker holds this attempt; a lease that ran out is held by nobody."""
    if not evaluation.isdigit():
        return False
    expired = Evaluation.objects.lease_expired().values("pk")
    running = Evaluation.objects.filter(pk=int(evaluation), attempt=attempt, status=Evaluation.Status.RUNNING)
    return running.exclude(pk__in=expired).exists()


def reap_once(engine: Engine) -> list[str]:
    """Remove what lost attempts left on this engine, and their folders on this host."""
    removed = reap(engine, PREFIX, settings.INSTANCE, is_live=is_live, now=time.time())
    adopt_half_loaded(engine)
    if removed:
        log.warning("leftovers removed", count=len(removed), names=removed[:10])
    return removed
