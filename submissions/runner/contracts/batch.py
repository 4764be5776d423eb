"""The Grand Challenge batch contract: one start a CT, files in, one file out."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import shutil
import tarfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from lunasite.http.strict_json import NotANumber, NotStrictJson, parse_strict
from submissions.kinds import BadAnswer, Kind
from submissions.kinds.base import BatchFiles
from submissions.runner.attempt import CLEANUP_S, Attempt, Clock, Host, attempt_on, known_image
from submissions.runner.base import (
    TRIAL,
    Call,
    ContainerFault,
    Limits,
    RunCallbacks,
    RunError,
    RunRequest,
    RunResult,
)
from submissions.runner.contracts.base import Contract, Machine
from submissions.runner.diagnosis import diagnose
from submissions.runner.exit_diagnosis import classify_exit, with_count
from submissions.runner.memory import MemoryWatch
from submissions.runner.model_body import ImageReading, kept_body, read_image
from submissions.runner.pseudonymize import pseudonymize_cases
from submissions.runner.sandbox import INPUT_AT, OUTPUT_AT, Labels, holder_spec, model_binds, model_spec
from submissions.runner.trial_evidence import evidence_of, tell_read_only
from submissions.runner.values import MIB, Bind, ContainerState, EngineImage, OutputVolume
from submissions.text.printable import printable

SLOTS = 16
TICK_S = 0.05
SHOW_LOG_S = 1.0
COUNT_FREE = "import os; s = os.statvfs('{}'); print(s.f_bavail, s.f_ffree)"


GUIDE = """\
## Grand Challenge batch

Your image is started once for each image file, reads `/input`, writes `/output` and ends with exit code 0. The phase's
seconds for a call hold for each start. `/output` takes 16 MiB and 1,000 files.

KINDS

### Run it at home under the same limits

RUN
"""


class BatchRunner:
    """Runs a request as a batch: a fresh container a CT, its output read from the holder."""

    def __init__(self, host: Host) -> None:
        self.host = host

    def run(self, request: RunRequest, watcher: RunCallbacks) -> RunResult:
        image = known_image(self.host, request.image_id)
        pending = [case for case in request.cases if case.case_id not in request.done]
        calls = pseudonymize_cases(pending, request.seed, one_uid_an_image=True)
        result = RunResult(answers=dict(request.done))
        _BatchRun(self.host, request, watcher, result, image).run(calls)
        return result


def lanes(limits: Limits, machine: Machine, runs_at_once: int = 1) -> int:
    """Return how many CTs run at once: as many as CPUs and half the memory of the engine's machine reach for.

    Each has the phase's limits for itself. A GPU is one for all, so there the phase's `parallel` says how many.
    runs_at_once: how many runs share the machine.
    """
    if limits.gpu:
        return max(1, limits.parallel)
    cpus, memory_bytes = (amount / runs_at_once for amount in machine.capacity())
    by_cpus = int(cpus / limits.cpus) if cpus else 1
    by_memory = int(memory_bytes / 2 / (limits.memory_mib * MIB))
    return max(1, min(SLOTS, by_cpus, by_memory))


class _BatchRun:
    def __init__(
        self, host: Host, request: RunRequest, watcher: RunCallbacks, result: RunResult, image: EngineImage
    ) -> None:
        self.host, self.request, self.watcher, self.result, self.image = host, request, watcher, result, image
        self.clock = Clock(request.limits.timeout_s, watcher)
        self.lanes = lanes(request.limits, host.engine, host.runs_at_once)

    def run(self, calls: Sequence[Call]) -> None:
        scans = [list(group) for _, group in itertools.groupby(calls, key=lambda call: call.series_uid)]
        try:
            for first in range(0, len(scans), SLOTS):
                self._run_some(scans[first : first + SLOTS])
        except RunError as error:
            raise with_count(error, len(self.result.answers), len(self.request.cases)) from error
        self.result.predict_s = self.clock.elapsed()

    def _run_some(self, scans: list[list[Call]]) -> None:
        """Run a few CTs beside one holder, which keeps an output volume for each."""
        lifetime_s = self.request.limits.timeout_s - self.clock.elapsed() + CLEANUP_S
        labels = self.host.labels(self.request.evaluation, self.request.attempt, lifetime_s)
        limits = self.request.limits
        with attempt_on(self.host.engine) as attempt:
            volumes = [
                OutputVolume(labels.name(f"output-{slot}"), f"/out/{slot}", read_only=True)
                for slot in range(len(scans))
            ]
            for volume in volumes:
                attempt.create_volume(volume, labels, limits.output_mib, limits.output_files)
            reading = read_image(attempt, self.host, labels, self.image, limits, self.request.writable_folders)
            tell_read_only(reading, self.request, self.watcher)
            holder = attempt.create_holder(holder_spec(labels, self.host.driver_image, tuple(volumes)))
            self.host.engine.start(holder)
            _SideBySide(self, attempt, labels, holder, reading).run(list(zip(volumes, scans, strict=True)))


class _SideBySide:
    """The CTs beside one holder, as many at once as `lanes` says."""

    def __init__(self, run: _BatchRun, attempt: Attempt, labels: Labels, holder: str, reading: ImageReading) -> None:
        self.owner, self.attempt, self.labels, self.holder, self.reading = run, attempt, labels, holder, reading
        self.running: list[_Scan] = []

    def run(self, scans: list[tuple[OutputVolume, list[Call]]]) -> None:
        try:
            while scans or self.running:
                self.owner.clock.check()
                if scans and len(self.running) < self.owner.lanes:
                    self._begin(*scans.pop(0))
                self.running = [scan for scan in self.running if not scan.is_finished()]
                time.sleep(TICK_S)
        except ContainerFault as fault:
            self._add_logs(fault)
            raise
        finally:
            for scan in self.running:
                scan.drop_input()

    def _begin(self, volume: OutputVolume, calls: list[Call]) -> None:
        scan = _Scan(self.owner, self.attempt, self.labels, self.holder, volume, calls, self.reading)
        self.running.append(scan)
        scan.begin()

    def _add_logs(self, fault: ContainerFault) -> None:
        """Give a fault of the whole run, such as its time-out, the words of a CT that was running."""
        if not fault.logs and self.running:
            fault.logs = self.running[0].last_words()


class _Scan:
    """One CT with its points: one start of the model."""

    def __init__(
        self,
        run: _BatchRun,
        attempt: Attempt,
        labels: Labels,
        holder: str,
        volume: OutputVolume,
        calls: list[Call],
        reading: ImageReading,
    ) -> None:
        self.owner, self.attempt, self.labels, self.holder = run, attempt, labels, holder
        self.volume, self.calls, self.reading = volume, calls, reading
        self.slot = volume.target.rpartition("/")[2]
        self.engine = run.host.engine
        self.model = ""
        self.input_dir = run.request.run_dir / f"input-{self.slot}"
        self.kept = contextlib.ExitStack()
        self.started = self.next_log = time.monotonic()

    def begin(self) -> None:
        """Start the model. Raises RunError."""
        request = self.owner.request
        write_input(self.input_dir, self.calls, request.kind, request.slugs)
        try:
            self._start_model()
        except RunError as error:
            self._tell(error)
            raise

    def is_finished(self) -> bool:
        """Look at the model; take its answers once it has ended. Raises RunError."""
        try:
            state = self._looked_at()
            if state.running:
                return False
            self._judge(state)
            self._take_answers(self._output())
            self.owner.result.logs = self._logs()
        except RunError as error:
            self._tell(error)
            raise
        self.memory.close()
        self.drop_input()
        self.attempt.remove(self.model)
        self.kept.close()
        return True

    def drop_input(self) -> None:
        shutil.rmtree(self.input_dir, ignore_errors=True)

    def _tell(self, error: RunError) -> None:
        error.logs = self.last_words()
        self._explain(error)

    def _start_model(self) -> None:
        owner, limits = self.owner, self.owner.request.limits
        body = self.kept.enter_context(
            kept_body(self.reading, self.attempt, owner.host, self.labels, limits, int(self.slot))
        )
        spec = model_spec(
            self.labels,
            owner.image,
            limits,
            runtime=owner.host.runtime,
            role=f"model-{self.slot}",
            binds=(Bind(str(self.input_dir), INPUT_AT), *model_binds(owner.request)),
            volumes=(OutputVolume(self.volume.name, OUTPUT_AT, read_only=False),),
            body=body,
        )
        self.model = self.attempt.create_participant_container(spec)
        self.started = self.next_log = time.monotonic()
        self.engine.start(self.model, is_untrusted=True)
        owner.watcher.stage("predicting")
        self.memory = MemoryWatch(self.engine, self.model)

    def _looked_at(self) -> ContainerState:
        """Return the model's state. Raises ContainerFault when it is late."""
        owner, limits = self.owner, self.owner.request.limits
        state = self.engine.state(self.model)
        owner.result.peak_memory_bytes = max(owner.result.peak_memory_bytes, self.memory.poll())
        if state.running and owner.request.stage == TRIAL and time.monotonic() >= self.next_log:
            self.next_log = time.monotonic() + SHOW_LOG_S
            owner.watcher.log(self._logs())
        if state.running and time.monotonic() - self.started > limits.predict_timeout_s:
            raise ContainerFault("PREDICT_TIMEOUT", f"The limit is {limits.predict_timeout_s:g} s a CT.")
        return state

    def _judge(self, state: ContainerState) -> None:
        if state.exit_code != 0:
            if self._output_is_full():
                raise ContainerFault("OUTPUT_TOO_LARGE", self._limit_note())
            raise classify_exit(
                state,
                self._logs(),
                may_name_exit_code=self.owner.request.stage == TRIAL,
                while_doing="while predicting",
                has_answered=bool(self.owner.result.answers),
            )
        self.owner.result.oom_killed |= state.oom_killed

    def _output(self) -> bytes:
        """Return the bytes of the answer file; regular files only, bounded."""
        limits = self.owner.request.limits
        archive = self.engine.read_archive(self.holder, self.volume.target, (limits.output_mib + 1) * MIB)
        try:
            return answer_in(archive, files_of(self.owner.request.kind).output_files(self.owner.request.slugs))
        except ContainerFault as fault:
            if self._output_is_full():
                raise ContainerFault("OUTPUT_TOO_LARGE", self._limit_note()) from fault
            raise

    def _take_answers(self, body: bytes) -> None:
        request, seconds = self.owner.request, time.monotonic() - self.started
        for call, answer in zip(self.calls, read_answers(body, self.calls, request.kind), strict=True):
            self.owner.result.answers[call.case.case_id] = answer
            self.owner.result.latency_s[call.case.case_id] = seconds / len(self.calls)
            self.owner.watcher.answered(call.case.case_id, answer, seconds / len(self.calls))

    def _output_is_full(self) -> bool:
        command = ["/usr/bin/python3", "-I", "-S", "-c", COUNT_FREE.format(self.volume.target)]
        exit_code, output = self.engine.run_in(self.holder, command)
        return exit_code == 0 and "0" in output.split()

    def _explain(self, error: RunError) -> None:
        """Say what to change; only of a trial, whose cases are public."""
        owner = self.owner
        if owner.request.stage == TRIAL and isinstance(error, ContainerFault):
            peak = owner.result.peak_memory_bytes
            error.diagnosis = diagnose(evidence_of(error, owner.request.limits, self.reading, peak))

    def _limit_note(self) -> str:
        limits = self.owner.request.limits
        return f"/output takes {limits.output_mib} MiB and {limits.output_files} files."

    def _logs(self) -> str:
        return self.engine.logs(self.model)

    def last_words(self) -> str:
        if not self.model:
            return ""
        try:
            self.engine.kill(self.model)
            return self._logs()
        except RunError:
            return ""


def write_input(folder: Path, calls: Sequence[Call], kind: Kind, slugs: Mapping[str, str]) -> Path:
    """Lay out /input for one CT and return its folder.

    The image is linked as it is, so it must be readable for everybody, or copied where it cannot be linked.
    """
    shutil.rmtree(folder, ignore_errors=True)
    files = files_of(kind)
    images = folder / "images" / files.slug("image", slugs)
    images.mkdir(parents=True)
    source = calls[0].case.image_path
    target = images / f"{calls[0].series_uid}{source.suffix.lower()}"
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
        target.chmod(0o644)
    values = files.inputs([call.sent for call in calls])
    for name, value in values.items():
        _write_json(folder / f"{files.slug(name, slugs)}.json", value)
    _write_json(folder / "inputs.json", files.input_list(values, target.name, slugs))
    for path in (folder.parent, folder, *(each for each in folder.rglob("*") if each.is_dir())):
        path.chmod(0o755)
    return folder


def _write_json(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, indent=2), encoding="utf-8")
    path.chmod(0o644)


def _missing(wanted: str, members: Mapping[str, tarfile.TarInfo]) -> ContainerFault:
    fault = ContainerFault("OUTPUT_MISSING", f"No {wanted} was in /output.")
    fault.wanted_output = wanted
    fault.outputs = tuple(printable(name) for name, member in members.items() if name and not member.isdir())
    return fault


def answer_in(archive: tarfile.TarFile | None, names: Sequence[str]) -> bytes:
    """Return the answer file of an output folder: the first there is of `names`. Raises ContainerFault(OUTPUT_…)."""
    members = {member.name.partition("/")[2]: member for member in archive or ()}
    member = next((members[name] for name in names if name in members), None)
    if archive is None or member is None:
        raise _missing(names[0], members)
    if not member.isreg():
        raise ContainerFault("OUTPUT_NOT_REGULAR", f"{member.name.partition('/')[2]} is no regular file.")
    content = archive.extractfile(member)
    body = content.read() if content else b""
    if not body.strip():
        raise ContainerFault("OUTPUT_SCHEMA", "The output file is empty.")
    return body


def read_answers(body: bytes, calls: Sequence[Call], kind: Kind) -> Iterator[Any]:
    """Yield the answer to each call in an output file. Raises ContainerFault unless exactly those came back."""
    try:
        value = parse_strict(body, may_begin_with_bom=True)
        yield from files_of(kind).read_output(value, [call.sent for call in calls])
    except NotANumber as error:
        raise ContainerFault("BAD_PREDICTION", f"The answer {error}.") from error
    except NotStrictJson as error:
        raise ContainerFault("OUTPUT_SCHEMA", f"The answer {error}.") from error
    except BadAnswer as error:
        raise ContainerFault(error.code, error.note) from error


def files_of(kind: Kind) -> BatchFiles:
    assert kind.batch is not None, f"{kind.name} is not served by this contract"
    return kind.batch


CONTRACT = Contract(
    name="batch",
    label="Grand Challenge batch",
    rank=1,
    serves=lambda kind: kind.batch is not None,
    runner=BatchRunner,
    summary=lambda kind: (
        "Reads `/input`, writes `/output`, ends with code 0; one start a CT. LUNA25's images run unchanged."
    ),
    guide=GUIDE,
    kind_guide=lambda kind: kind.batch.guide if kind.batch else "",
    # The container writes as nobody, so everybody must be allowed to.
    home_setup="mkdir -p output && chmod 777 output",
    home_options=('--volume "$PWD/input:/input:ro" --volume "$PWD/output:/output"',),
    lanes=lanes,
)

__all__ = ["CONTRACT", "BatchRunner", "answer_in", "read_answers", "write_input"]
