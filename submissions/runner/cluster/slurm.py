"""The gateway to a Slurm cluster: images in its shared store, and a run, a self-test or an unpacking as a job each."""

from __future__ import annotations

import json
import re
import secrets
import shutil
import time
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from submissions.runner.attempt import Host, run_lifetime_s
from submissions.runner.base import ContainerFault, EngineFault, Limits, RunCallbacks, RunRequest, RunResult
from submissions.runner.cluster import store as images
from submissions.runner.cluster.job_folder import Event, JobFolder, JobLost, outcome, store_fault
from submissions.runner.cluster.messages import frozen, request_json
from submissions.runner.cluster.no_containers import NoContainers
from submissions.runner.cluster.runc import NO_GPU
from submissions.runner.cluster.slurm_commands import ENDED, ENDING, Needs, Place, Slurm
from submissions.runner.host.reaper import ROWLESS
from submissions.runner.host.selftest import Check
from submissions.runner.values import EngineFacts, EngineImage, OwnContainer

# Of our own programs in a job, beside the model's memory: the runner, the driver, the holder and runc.
OWN_MIB = 384
SELF_TEST_MIB = 512
UNPACK_MIB = 1024
# Until the program of a job begins, and after it has said its outcome.
START_AND_END_S = 120.0
# How long a job of ours may wait in Slurm's queue and run, but for evaluations, which wait as long as they have to.
SHORT_JOB_S = 900.0
UNPACK_S = 4 * 3600.0
# An older layout is one whose worker was ended; writing and unpacking one take less.
LAYOUT_S = 86400.0
# A run whose node is lost goes on in another job.
JOBS_A_RUN = 3
NO_ROOT_JOBS = "jobs must not be root's: name a user without rights in SLURM_JOB_USER, or run the worker as one"
LABEL = "luna"
# The end of a job's name, behind the site's own: a site `lab` is not to take a job of `lab-test` for one of its own.
END_OF_NAME = rf"(?:\d+-\d+-[a-z]+|{ROWLESS}-[a-z-]+-[0-9a-f]{{12}})"


class SlurmEngine(NoContainers):
    """A cluster whose nodes share a folder with this worker. May be shared between threads."""

    is_local = True

    def __init__(self, place: Place) -> None:
        self.slurm, self.store = Slurm(place), place.store
        try:
            if not self.store.is_dir():
                self.store.mkdir(parents=True)
            images.prepare(self.store)
            for folder in (self.store, *(self.store / name for name in images.FOLDERS)):
                self.slurm.own(folder)
        except (OSError, KeyError) as error:
            detail = f"SLURM_STORE={self.store}: {error}"
            raise EngineFault("The cluster's shared folder cannot be used.", staff_detail=detail) from error

    def close(self) -> None:
        """Hold nothing: a connection is made for each command."""

    def twin(self) -> SlurmEngine:
        return self

    def facts(self) -> EngineFacts:
        """Return what the cluster is; CPUs and memory are those of its largest node."""
        refusal = NO_ROOT_JOBS if self.slurm.user == "root" else ""
        cluster = self.slurm.cluster()
        return EngineFacts(
            name="Slurm", engine_id=f"slurm at {self.store}", version=cluster.version, root=str(self.store),
            cpus=cluster.cpus, memory_bytes=cluster.memory_bytes, storage_driver="folders",
            runc=None, runtimes=("runc",), refusal=refusal,
        )  # fmt: skip

    def capacity(self) -> tuple[int, int]:
        cluster = self.slurm.cluster()
        return cluster.cpus, cluster.memory_bytes

    # Images

    def image(self, reference: str) -> EngineImage | None:
        return images.known_image(self.store, reference)

    def load(self, archive: Iterable[bytes]) -> str:
        """Unpack an archive that intake wrote as a folder of the store, by a job; return its ID.

        Raises ContainerFault where the archive is to blame, EngineFault.
        """
        layout = self.store / "layouts" / secrets.token_hex(8)
        try:
            images.drop_layouts(self.store, time.time() - LAYOUT_S)
            image_id = images.write_layout(layout, archive)
            self.slurm.own_all(layout)
            self._short("unpack", {"layout": str(layout), "image_id": image_id}, UNPACK_MIB, UNPACK_S)
        except images.NotAnArchive as error:
            note = "A layer of the image could not be unpacked. Build the image anew, save it and send it again."
            raise ContainerFault("ARCHIVE_CORRUPT", note, staff_detail=str(error)) from error
        except OSError as error:
            raise store_fault("The image could not be stored.", error) from error
        finally:
            shutil.rmtree(layout, ignore_errors=True)
        return image_id

    def tags(self, repository: str) -> dict[str, list[str]]:
        """Return the tags below a repository name, by image ID."""
        own = {
            image_id: [name for name in names if name.startswith(f"{repository}:")]
            for image_id, names in images.all_tags(self.store).items()
        }
        return {image_id: names for image_id, names in own.items() if names}

    def tag(self, image_id: str, repository: str, version: str) -> None:
        images.set_tag(self.store, f"{repository}:{version}", image_id)

    def remove_image(self, reference: str) -> bool:
        """Remove a tag or an image; False where it is in use, or gone already."""
        is_id = reference.startswith("sha256:")
        image_id = reference if is_id else images.tagged(self.store, reference)
        names = images.all_tags(self.store).get(image_id, [])
        if not image_id or (is_id and len(names) > 1) or self._is_in_use(image_id):
            return False
        for name in names if is_id else [reference]:
            images.drop_tag(self.store, name)
        if is_id or names == [reference]:
            self._throw_away(image_id)
        return True

    def _is_in_use(self, image_id: str) -> bool:
        return any(_text(path) == image_id for path in (self.store / "jobs").glob("*/image"))

    def _throw_away(self, image_id: str) -> None:
        try:
            images.bundle_of(self.store, image_id).rename(self.store / "trash" / secrets.token_hex(8))
        except FileNotFoundError:
            return
        self._short("clean", {}, UNPACK_MIB, SHORT_JOB_S)

    # Jobs

    def run(self, host: Host, request: RunRequest, watcher: RunCallbacks) -> RunResult:
        """Carry out a run as one job. Raises RunError; neither job nor folder of it stays."""
        limits = request.limits
        if limits.gpu:
            raise EngineFault(NO_GPU)
        lifetime_s = self._lifetime_s(limits)
        # No deadline: a job may wait in Slurm's queue for days, and the row says whether somebody still waits for it.
        labels = host.labels(request.evaluation, request.attempt, 365 * 86400.0).of(request.stage)
        needs = Needs(limits.memory_mib + OWN_MIB, limits.cpus, lifetime_s)
        for jobs_left in reversed(range(JOBS_A_RUN)):
            relay = _EventRelay(watcher)
            try:
                return self._run_job(host, request, labels, needs, relay)
            except JobLost:
                # Its node did it: another one goes on after the cases that were answered.
                if not jobs_left:
                    raise
                run_dir = request.run_dir.parent / secrets.token_hex(8)  # the lost one may still write to its own
                request = replace(request, done={**request.done, **relay.answers}, run_dir=run_dir)
        raise AssertionError("a run has at least one job")

    def _lifetime_s(self, limits: Limits) -> float:
        """Return after how long Slurm itself may end a run. Raises EngineFault where no partition has that time.

        Such a job would wait in the queue for ever.
        """
        longest_s = self.slurm.cluster().longest_s
        if longest_s < limits.timeout_s + START_AND_END_S:
            detail = f"the longest takes {longest_s:g} s, the phase allows {limits.timeout_s:g} s: raise MaxTime"
            raise EngineFault("No partition gives a job the time that this phase allows.", staff_detail=detail)
        return min(longest_s, run_lifetime_s(limits) + START_AND_END_S)

    def _run_job(
        self, host: Host, request: RunRequest, labels: Mapping[str, str], needs: Needs, relay: _EventRelay
    ) -> RunResult:
        self._open_to_jobs(request)
        task = self._task("run", host) | {"request": request_json(request)}
        name = f"{host.prefix}-{host.instance}-{request.evaluation}-{request.attempt}-{request.stage}"
        job = JobFolder(self.slurm, name)
        job.open(task, labels, needs, image_id=request.image_id)
        try:
            for event in job.events(relay.watcher.is_cancelled):
                if event["event"] == "outcome":
                    return outcome(event)
                relay.hear(event)
        finally:
            job.close()
        raise EngineFault("The job said nothing.")

    def _open_to_jobs(self, request: RunRequest) -> None:
        """Make a run's folder, and let the jobs' user come to it and to the cases, where that is another one."""
        request.run_dir.mkdir(parents=True, exist_ok=True)
        self.slurm.own(request.run_dir)
        if self.slurm.place.job_user:
            for path in (request.cases_root.parent, request.run_dir.parent, request.run_dir.parent.parent):
                path.chmod(path.stat().st_mode & 0o7777 | 0o011)

    def self_test(self, host: Host, cases_dir: Path) -> list[Check]:
        """Prove the sandbox by a job on each partition. Raises EngineFault."""
        checks = []
        for partition in self.slurm.cluster().partitions:
            folder = cases_dir / f"{ROWLESS}-{secrets.token_hex(6)}"
            folder.mkdir(mode=0o755)
            self.slurm.own(folder)
            task = self._task("self-test", host) | {"cases_dir": str(folder), "memory_mib": SELF_TEST_MIB}
            try:
                event = self._short("self-test", task, SELF_TEST_MIB, SHORT_JOB_S, partition, host)
                checks += [_check(partition, str(event.get("node")), plain) for plain in event["checks"]]
            except (KeyError, TypeError) as error:
                raise EngineFault("The job's outcome is broken.", staff_detail=str(error)) from error
            finally:
                shutil.rmtree(folder, ignore_errors=True)
        return checks

    def _task(self, name: str, host: Host) -> dict[str, Any]:
        return {
            "task": name, "store": str(self.store), "driver_image": host.driver_image, "prefix": host.prefix,
            "instance": host.instance,
        }  # fmt: skip

    def _short(
        self,
        name: str,
        task: Mapping[str, Any],
        memory_mib: int,
        time_s: float,
        partition: str = "",
        host: Host | None = None,
    ) -> Event:
        """Run a job of ours and return its outcome. Raises RunError."""
        prefix, instance = (host.prefix, host.instance) if host else (LABEL, "store")
        token = secrets.token_hex(6)
        job = JobFolder(self.slurm, f"{prefix}-{instance}-{ROWLESS}-{name}-{token}")
        labels = {"instance": instance, "evaluation": f"{ROWLESS}-{name}-{token}", "attempt": "0", "role": name}
        labels["deadline"] = str(int(time.time() + time_s))
        full = {"task": name, "store": str(self.store)} | dict(task)
        needs = Needs(memory_mib, 1, time_s, partition)
        job.open(full, {f"{prefix}.{key}": value for key, value in labels.items()}, needs)
        try:
            *_, last = job.events(lambda: False, give_up_s=time_s)
        finally:
            job.close()
        if last.get("ok") is not True:
            outcome(last)
        return last

    # What is ours

    def own_containers(self, labels: Mapping[str, str]) -> list[OwnContainer]:
        """Return the jobs that carry all of `labels`, and those of our names that go on without a folder."""
        found = {}
        for folder in (self.store / "jobs").iterdir():
            carried = _labels(folder / "labels.json")
            if labels.items() <= carried.items():
                found[folder.name] = OwnContainer(folder.name, folder.name, carried, _made_at(folder))
        for key, instance in labels.items():
            own_name = re.compile(rf"{re.escape(key.removesuffix('.instance'))}-{re.escape(instance)}-{END_OF_NAME}")
            for _, name, state in self.slurm.jobs() if key.endswith(".instance") else ():
                if (
                    own_name.fullmatch(name)
                    and state not in (*ENDED, ENDING)
                    and not (self.store / "jobs" / name).is_dir()
                ):
                    found[name] = OwnContainer(name, name, {key: instance}, 0.0)
        return list(found.values())

    def own_volumes(self, labels: Mapping[str, str]) -> dict[str, Mapping[str, str]]:
        return {}

    def remove(self, container_id: str) -> None:
        """Cancel a job by its name and remove its folder; one that is gone already is fine."""
        self.slurm.cancel(container_id)
        shutil.rmtree(self.store / "jobs" / Path(container_id).name, ignore_errors=True)


class SlurmRunner:
    """Runs a request as a job, whatever its contract."""

    def __init__(self, host: Host, engine: SlurmEngine) -> None:
        self.host, self.engine = host, engine

    def run(self, request: RunRequest, watcher: RunCallbacks) -> RunResult:
        return self.engine.run(self.host, request, watcher)


class _EventRelay:
    """What a job has said while it went on, passed on at once. answers: by case."""

    def __init__(self, watcher: RunCallbacks) -> None:
        self.watcher = watcher
        self.answers: dict[str, Any] = {}

    def hear(self, event: Event) -> None:
        """Pass on an event. Raises EngineFault where it is broken, and what the callbacks raise."""
        try:
            kind, text = event["event"], str(event.get("text", ""))
            answer = frozen(event.get("answer"))
            case, seconds = str(event.get("case", "")), float(event.get("seconds", 0))
        except (TypeError, ValueError) as error:
            raise EngineFault("The job's events are broken.", staff_detail=str(error)) from error
        if kind == "answered":
            self.answers[case] = answer
            self.watcher.answered(case, answer, seconds)
        elif kind == "stage":
            self.watcher.stage(str(event.get("stage", "")))
        elif kind in ("log", "hint", "note"):
            getattr(self.watcher, kind)(text)


def _check(partition: str, node: str, plain: Mapping[str, Any]) -> Check:
    name = f"{partition}/{node}: {plain['name']}"
    return Check(name, plain["ok"] is True, str(plain["detail"]), plain["is_fatal"] is not False)


def _labels(path: Path) -> dict[str, str]:
    try:
        found = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return {str(name): str(value) for name, value in found.items()} if isinstance(found, dict) else {}


def _made_at(folder: Path) -> float:
    try:
        return folder.stat().st_mtime
    except FileNotFoundError:
        return 0.0


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
