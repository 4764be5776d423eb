"""The containers of one attempt: created, started, and always taken away again."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass

from submissions.runner.base import (
    ContainerFault,
    Engine,
    EngineFault,
    EngineRestarted,
    Limits,
    RunCallbacks,
    RunCancelled,
    RunError,
)
from submissions.runner.engine.passwd_check import check_accounts
from submissions.runner.sandbox import Labels
from submissions.runner.values import ContainerSpec, ContainerState, EngineImage, OutputVolume

LOG_TAIL_S = 1.0
# Reading an image and copying its folders takes none of the model's time; a slow disk needs minutes for it.
PREPARE_S = 1800.0
CLEANUP_S = 60.0
# An engine that stops asks all containers to end at once; ours does so without delay.
HOLDER_ENDS_WITHIN_S = 0.5


@dataclass(frozen=True)
class Means:
    """What the self-test found an engine able to, beside what every sandbox needs.

    maps_root: root inside is a user without rights on the engine's machine. has_whole_root: its root file system is
    bounded when writable, by the runtime or (is_bounded_by_engine) by the storage driver.
    """

    maps_root: bool = False
    has_whole_root: bool = False
    is_bounded_by_engine: bool = False


@dataclass(frozen=True)
class Host:
    """What a runner needs to know of this worker: its engine, its driver image, its names.

    runs_at_once: how many runs share the engine's machine.
    """

    engine: Engine
    driver_image: str
    prefix: str
    instance: str
    runtime: str | None = None
    means: Means = Means()
    runs_at_once: int = 1

    def labels(self, evaluation: str, attempt: int, lifetime_s: float) -> Labels:
        """Return the labels of an attempt. The deadline is wall-clock: another process reads it."""
        return Labels(self.prefix, self.instance, evaluation, attempt, int(time.time() + lifetime_s))


def known_image(host: Host, image_id: str) -> EngineImage:
    """Return the facts of the loaded image. Raises EngineFault when it is not there."""
    image = host.engine.image(image_id)
    if image is None:
        raise EngineFault("The image is not on the engine.", staff_detail=image_id)
    return image


def run_lifetime_s(limits: Limits) -> float:
    """Return how long a run may take in all: laying out its image, the model's own time, and clearing away."""
    return PREPARE_S + limits.timeout_s + CLEANUP_S


class Attempt:
    """Containers and volumes of one attempt, removed in the reverse order they were made in."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.holder = ""
        self._containers: list[str] = []
        self._volumes: list[str] = []

    def create(self, spec: ContainerSpec) -> str:
        container_id = self.engine.create(spec)
        self._containers.append(container_id)
        return container_id

    def create_holder(self, spec: ContainerSpec) -> str:
        """Create the container of ours that lasts as long as the run, whatever the model does."""
        self.holder = self.create(spec)
        return self.holder

    def create_participant_container(self, spec: ContainerSpec) -> str:
        """Create a container of a participant's image. Raises ContainerFault when the image is to blame."""
        container_id = self.engine.create(spec, is_untrusted=True)
        self._containers.append(container_id)
        check_accounts(self.engine, container_id)
        return container_id

    def create_volume(self, volume: OutputVolume, labels: Labels, size_mib: int, inodes: int) -> None:
        self._volumes.append(volume.name)
        self.engine.create_volume(volume, labels.of("output"), size_mib, inodes)

    def create_root_volume(self, volume: OutputVolume, labels: Labels, size_mib: int, inodes: int) -> None:
        self._volumes.append(volume.name)
        self.engine.create_root_volume(volume.name, labels.of("root"), size_mib, inodes)

    def remove(self, container_id: str) -> None:
        self.engine.remove(container_id)
        self._containers.remove(container_id)

    def remove_volume(self, volume: OutputVolume) -> None:
        self.engine.remove_volume(volume.name)
        self._volumes.remove(volume.name)

    def was_ended_with(self, fault: RunError) -> bool:
        """Return whether our holder has ended too: an engine that stops or restarts ends all containers alike."""
        if fault.exit_code is not None or isinstance(fault, EngineFault):
            time.sleep(HOLDER_ENDS_WITHIN_S)
        try:
            return bool(self.holder) and not self.engine.state(self.holder).running
        except EngineFault:  # away: then the fault that is known says so, if it is the engine's
            if isinstance(fault, EngineFault):
                return False
            raise

    def close(self) -> None:
        """Remove everything; go on after a failure and raise the first at the end."""
        first: EngineFault | None = None
        for remove, name in [(self.engine.remove, each) for each in reversed(self._containers)] + [
            (self.engine.remove_volume, each) for each in self._volumes
        ]:
            try:
                remove(name)
            except EngineFault as fault:
                first = first or fault
        self._containers, self._volumes = [], []
        if first:
            raise first


@contextlib.contextmanager
def attempt_on(engine: Engine) -> Iterator[Attempt]:
    """Give an empty Attempt and close it however the block ends.

    A failure to clean up never hides the verdict: the reaper will find what stayed. Raises EngineRestarted in place of
    another fault where the engine has ended our own container as well.
    """
    attempt = Attempt(engine)
    try:
        try:
            yield attempt
        except (ContainerFault, EngineFault) as fault:
            if attempt.was_ended_with(fault):
                raise EngineRestarted("The engine ended our own container too.", staff_detail=str(fault)) from fault
            raise
    except BaseException:
        with contextlib.suppress(EngineFault):
            attempt.close()
        raise
    attempt.close()


class Clock:
    """Deadlines and cancellation of one run, by the monotonic clock of the worker."""

    def __init__(self, timeout_s: float, watcher: RunCallbacks) -> None:
        self.started = time.monotonic()
        self._timeout_s = timeout_s
        self._watcher = watcher

    def elapsed(self) -> float:
        return time.monotonic() - self.started

    def check(self) -> None:
        """Raise RunCancelled or TIMEOUT when it is time to stop."""
        if self._watcher.is_cancelled():
            raise RunCancelled
        if self.elapsed() > self._timeout_s:
            raise ContainerFault("TIMEOUT", f"The limit is {self._timeout_s:g} s in all.")


def wait_exited(engine: Engine, container_id: str, timeout_s: float = LOG_TAIL_S) -> ContainerState:
    """Return the model's state, waiting a moment for one that is about to end."""
    give_up = time.monotonic() + timeout_s
    while (state := engine.state(container_id)).running and time.monotonic() < give_up:
        time.sleep(0.05)
    return state


__all__ = ["Attempt", "Clock", "Host", "Means", "attempt_on", "known_image", "wait_exited"]
