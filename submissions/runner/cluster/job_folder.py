"""A job from the worker's side: its folder in the store, what it says, and that it is gone in the end."""

from __future__ import annotations

import contextlib
import errno
import json
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from submissions.runner.base import AttemptTaken, EngineFault, RunCancelled, RunError, RunResult
from submissions.runner.cluster.messages import outcome_of
from submissions.runner.cluster.program import put_program
from submissions.runner.cluster.slurm_commands import ENDED, GONE, Needs, Slurm

POLL_S = 0.2
BEAT_EVERY_S = 5.0
# A state is a second old at most; a file of another machine may take longer to be seen here.
LAST_WORDS_S = 5.0
AWAY_S = 300.0
GONE_WITHIN_S = 30.0
READ_BYTES = 4 << 20
MAX_LINE_BYTES = 64 << 20
# A daemon that is started again ends the jobs of the one before as failed; whoever else ends a job cancels it.
LOST = ("BOOT_FAIL", "CANCELLED", "FAILED", "NODE_FAIL", "PREEMPTED", "REVOKED", GONE)
Event = dict[str, Any]
_owned: set[Path] = set()


class JobLost(EngineFault):
    """Slurm took the job away, or its node was lost: the run had no part in it."""


class JobFolder:
    """One job. As a context manager it leaves neither the job nor its folder."""

    def __init__(self, slurm: Slurm, name: str) -> None:
        self.slurm, self.name = slurm, name
        self.folder = slurm.place.store / "jobs" / name
        self.job_id = ""
        self.has_ended = False
        self._offset, self._held, self._beats, self._next_beat = 0, b"", 0, 0.0

    def open(self, task: Mapping[str, Any], labels: Mapping[str, str], needs: Needs, *, image_id: str = "") -> None:
        """Write the task and send the job. Raises AttemptTaken where there is one of that name, EngineFault."""
        try:
            self.folder.mkdir(mode=0o755)
        except FileExistsError as error:
            raise AttemptTaken("Another worker runs this attempt.", staff_detail=self.name) from error
        try:
            (self.folder / "labels.json").write_text(json.dumps(dict(labels)))
            (self.folder / "image").write_text(image_id)
            (self.folder / "task.json").write_text(json.dumps(task))
            self.beat()
            self.slurm.own_all(self.folder)
            self.job_id = self.slurm.submit(self.name, self.folder, self._program(), needs)
        except OSError as error:
            self.close()
            raise store_fault("The job could not be written.", error) from error
        except EngineFault:
            self.close()
            raise

    def _program(self) -> Path:
        folder = put_program(self.slurm.place.store)
        if folder not in _owned:
            self.slurm.own_all(folder)  # for the bytecode that Python leaves beside it
            _owned.add(folder)
        return folder

    def beat(self) -> None:
        """Show the job that its worker lives."""
        self._beats += 1
        self._next_beat = time.monotonic() + BEAT_EVERY_S
        (self.folder / "beat").write_text(str(self._beats))

    def _beat_in_time(self) -> None:
        try:
            self.beat()
        except OSError as error:
            # It is gone where the reaper took the run for one of a lost worker.
            raise store_fault("The job's folder cannot be written.", error) from error

    def events(self, is_cancelled: Callable[[], bool], *, give_up_s: float = float("inf")) -> Iterator[Event]:
        """Yield what the job says, the outcome last. Raises RunCancelled; EngineFault where it ends without one.

        give_up_s: how long it may take in all, the time in Slurm's queue included.
        """
        give_up = time.monotonic() + give_up_s
        watch = _Watch(self.slurm, self.job_id)
        while True:
            for event in self._news():
                yield event
                if event["event"] == "outcome":
                    self.has_ended = True
                    return
            if is_cancelled():
                raise RunCancelled
            now = time.monotonic()
            if watch.has_said_its_last(now):
                raise self._fault(watch)
            if now > give_up:
                detail = f"{self.name} is {watch.state} after {give_up_s:g} s"
                raise EngineFault("The job did not end in time.", staff_detail=detail)
            if now >= self._next_beat:
                self._beat_in_time()
            watch.look(now)
            time.sleep(POLL_S)

    def _news(self) -> list[Event]:
        try:
            with open(self.folder / "events", "rb") as file:
                file.seek(self._offset)
                read = file.read(READ_BYTES)
        except FileNotFoundError:
            return []
        self._offset += len(read)
        *lines, self._held = (self._held + read).split(b"\n")
        if len(self._held) > MAX_LINE_BYTES:
            raise EngineFault("The job's events are broken.", staff_detail=f"a line of {len(self._held)} bytes")
        try:
            found = [json.loads(line) for line in lines]
            return [event for event in found if isinstance(event["event"], str)]
        except (ValueError, TypeError, KeyError) as error:
            raise EngineFault("The job's events are broken.", staff_detail=str(error)) from error

    def _fault(self, watch: _Watch) -> EngineFault:
        kind = JobLost if watch.state in LOST else EngineFault
        return kind("The job ended before its work was done.", staff_detail=self._how_it_ended(watch))

    def _how_it_ended(self, watch: _Watch) -> str:
        try:
            with open(self.folder / "output", "rb") as file:
                output = file.read(2000).decode("utf-8", "replace")
        except OSError:
            output = ""
        return f"job {self.job_id}: {watch.state}. {output}"[:2000]

    def close(self) -> None:
        """Cancel the job unless it said its outcome, wait until it is gone, and remove its folder.

        Where Slurm is away meanwhile, the reaper finds the job by its name.
        """
        with contextlib.suppress(EngineFault):
            if self.job_id and not self.has_ended:
                self.slurm.cancel(self.name)
                give_up = time.monotonic() + GONE_WITHIN_S
                while self.slurm.state(self.job_id) not in (*ENDED, GONE) and time.monotonic() < give_up:
                    time.sleep(POLL_S)
        shutil.rmtree(self.folder, ignore_errors=True)


class _Watch:
    """What Slurm says of a job; it may be away for a while."""

    def __init__(self, slurm: Slurm, job_id: str) -> None:
        self.slurm, self.job_id = slurm, job_id
        self.state = ""
        self._answered_at = time.monotonic()
        self._ended_at: float | None = None

    def look(self, now: float) -> None:
        """Ask for the state. Raises EngineFault when Slurm has been away for too long."""
        try:
            self.state = self.slurm.state(self.job_id)
        except EngineFault:
            if now - self._answered_at > AWAY_S:
                raise
            return
        self._answered_at = now
        if self.state not in ENDED and self.state != GONE:
            self._ended_at = None  # it was too new for an earlier look at the queue
        elif self._ended_at is None:
            self._ended_at = now

    def has_said_its_last(self, now: float) -> bool:
        """Say whether it ended so long ago that whatever it wrote is seen by now."""
        return self._ended_at is not None and now - self._ended_at > LAST_WORDS_S


def store_fault(sentence: str, error: OSError) -> EngineFault:
    """Return the fault that an error with a file of the shared store is."""
    code = "SYSTEM_DISK" if error.errno == errno.ENOSPC else "SYSTEM_ENGINE"
    return EngineFault(sentence, code=code, staff_detail=str(error))


def outcome(event: Event) -> RunResult:
    """Return the result that an outcome tells. Raises the RunError it tells, or EngineFault where it tells nothing."""
    try:
        found = outcome_of(event)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise EngineFault("The job's outcome is broken.", staff_detail=str(error)) from error
    if isinstance(found, RunError):
        raise found
    return found
