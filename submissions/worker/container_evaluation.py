"""Evaluate a Docker image: fetch, check, load, smoke run, hidden run; predictions come back."""

from __future__ import annotations

import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
from django.conf import settings
from django.utils import timezone

from submissions.actions.finish import Outcome
from submissions.failures import FAILURES, ParticipantError, PlatformError
from submissions.intake.archive import scan_archive
from submissions.intake.archive_errors import ArchiveError
from submissions.intake.image_facts import ImageFacts
from submissions.intake.rewrite import rewritten
from submissions.models import Case, Evaluation, Split, StatusConflict, Submission
from submissions.runner.attempt import Host
from submissions.runner.base import (
    EngineFault,
    Limits,
    RunCancelled,
    RunCase,
    RunError,
    Runner,
    RunRequest,
    RunResult,
    Watcher,
    limits_with,
)
from submissions.runner.batch import BatchRunner
from submissions.runner.docker import Engine
from submissions.runner.http import HttpRunner
from submissions.storage.archive import stored_archive
from submissions.worker import engine_host
from submissions.worker.case_files import run_cases
from submissions.worker.heartbeat import Heartbeat

RUNNERS: dict[str, type[HttpRunner] | type[BatchRunner]] = {"http": HttpRunner, "batch": BatchRunner}
DISK_FACTOR = 3
MOST_SMOKE_CASES = 10
PROGRESS_EVERY_S = 0.5
ANSWERS_EVERY_S = 5.0
LOAD_CHECK_EVERY_S = 0.5


def run_containers(evaluation: Evaluation, heartbeat: Heartbeat) -> Outcome:
    """Return the predictions of a submitted image on the hidden cases, in the dataset's order.

    Raises ParticipantError, PlatformError, or StatusConflict once the attempt is no longer ours;
    whichever it is, no container of the attempt is left.
    """
    try:
        engine = engine_host.connect()
        try:
            return _ContainerEvaluation(evaluation, heartbeat, engine).run()
        finally:
            engine.close()
    except RunCancelled as error:
        raise StatusConflict(f"evaluation {evaluation.pk}: stopped") from error
    except EngineFault as error:
        code = error.code if error.code in FAILURES else "SYSTEM_ENGINE"
        raise PlatformError(code, f"{error.note} {error.staff_detail}".strip()) from error
    except RunError as error:
        raise ParticipantError(error.code, error.note, error.staff_detail) from error


class _ContainerEvaluation:
    def __init__(self, evaluation: Evaluation, heartbeat: Heartbeat, engine: Engine) -> None:
        self.evaluation, self.heartbeat, self.engine = evaluation, heartbeat, engine
        self.submission: Submission = evaluation.submission
        self.timings: dict[str, Any] = dict(evaluation.timings)
        self.limits = limits_of(self.submission.limits, engine)

    def run(self) -> Outcome:
        host = engine_host.container_host(self.engine)
        image_id = self._image_on(host)
        # Beside the images, so that it is a place the engine can mount.
        runs = engine_host.cases_dir() / "runs"
        runs.mkdir(exist_ok=True)
        run_dir = Path(tempfile.mkdtemp(dir=runs, prefix=f"{self.evaluation.pk}-{self.evaluation.attempt}-"))
        try:
            self._smoke(host, image_id, run_dir)
            result = self._hidden(host, image_id, run_dir)
        finally:
            shutil.rmtree(run_dir, ignore_errors=True)
            engine_host.keeper(self.engine).mark_used(self.submission.image_id, time.time())
        return self._outcome(result)

    # The image

    def _image_on(self, host: Host) -> str:
        """Return the ID of the image, loaded on the engine; a known one is neither scanned nor loaded."""
        known = self.submission.image_id
        keeper = engine_host.keeper(self.engine)
        if known and (engine_id := keeper.engine_id_of(known)):
            keeper.mark_used(known, time.time())
            self.timings["load_s"] = 0.0
            self.evaluation.note("load", "The image was still loaded.")
            return engine_id
        self._stage("fetch")
        with stored_archive(self.submission, check=self.heartbeat.check) as path:
            facts = self._scanned(path)
            return self._load(host, path, facts)

    def _scanned(self, path: Path) -> ImageFacts:
        self._stage("intake")
        started = time.monotonic()
        try:
            facts = scan_archive(path)
        except ArchiveError as error:
            raise ParticipantError(error.code, error.note) from error
        except OSError as error:
            raise PlatformError("SYSTEM_STORAGE", str(error)) from error
        if self.submission.sha256 not in ("", facts.sha256):
            raise PlatformError("SYSTEM_STORAGE", "the stored archive is not what was uploaded")
        self.timings["intake_s"] = time.monotonic() - started
        Submission.objects.filter(pk=self.submission.pk).update(image_id=facts.image_id, sha256=facts.sha256)
        self.submission.image_id, self.submission.sha256 = facts.image_id, facts.sha256
        self.evaluation.note("intake", "The image was checked.", _image_facts(facts))
        return facts

    def _load(self, host: Host, path: Path, facts: ImageFacts) -> str:
        """Load the image unless the engine has it; return what the engine calls it."""
        self._stage("load")
        started = time.monotonic()
        keeper = engine_host.keeper(self.engine)
        with engine_host.one_load_at_a_time(self.heartbeat.check):
            engine_id = keeper.engine_id_of(facts.image_id)
            if not engine_id:
                engine_host.make_room(host, DISK_FACTOR * facts.expanded_bytes)
                with engine_host.marked_as_loading(facts.image_id):
                    engine_id = self._arrived(facts, "") or self._send(path, facts)
                    keeper.mark_used(facts.image_id, time.time(), engine_id=engine_id)
        self.timings["load_s"] = time.monotonic() - started
        took = f"The image was loaded in {self.timings['load_s']:.1f} s."
        self.evaluation.note("load", took, _engine_facts(self.engine, host))
        return engine_id

    def _watched(self, pieces: Iterator[bytes]) -> Iterator[bytes]:
        """Pass an archive on, stopping when the attempt is no longer ours."""
        next_look = 0.0
        for piece in pieces:
            if time.monotonic() >= next_look:
                next_look = time.monotonic() + LOAD_CHECK_EVERY_S
                self.heartbeat.check()
            yield piece

    def _send(self, path: Path, facts: ImageFacts) -> str:
        """Load the rewritten archive and return the image's ID. Raises EngineFault unless it is this image."""
        said = self.engine.load(self._watched(rewritten(path, facts)))
        engine_id = self._arrived(facts, said)
        if not engine_id:
            raise EngineFault("The engine has no such image after loading it.", staff_detail=facts.image_id)
        return engine_id

    def _arrived(self, facts: ImageFacts, said: str) -> str:
        """Return the ID under which the engine has exactly these layers, "" if it has not."""
        for name in filter(None, (facts.image_id, said)):
            image = self.engine.image(name)
            if image is not None and image.layers == facts.diff_ids:
                return image.image_id
        return ""

    # The runs

    def _smoke(self, host: Host, image_id: str, run_dir: Path) -> None:
        """Run the public sample cases first; their logs are the participant's to read."""
        samples = list(self._cases(Split.SAMPLE)[:MOST_SMOKE_CASES])
        if not samples or "smoke_s" in self.timings:
            return
        self._stage("smoke")
        started = time.monotonic()
        request = self._request(image_id, run_dir / "smoke", self._laid_out(samples), stage="smoke")
        try:
            result = self._runner(host).run(request, self._watcher())
        except RunError as error:
            self.evaluation.save_progress(smoke_log=error.logs)
            error.note = f"{error.note} This was on the public sample cases; their log is on the page."
            raise
        self.timings["smoke_s"] = time.monotonic() - started
        self.evaluation.save_progress(smoke_log=result.logs, timings=self.timings)
        self.evaluation.note("smoke", f"All {len(samples)} public sample cases were answered.")

    def _hidden(self, host: Host, image_id: str, run_dir: Path) -> RunResult:
        """Run the cases that count, going on where an attempt that failed by our fault had stopped."""
        cases = self._laid_out(list(self.evaluation.submission.phase.dataset.scored_cases()))
        done = {name: tuple(values) for name, values in self.evaluation.partial_answers.items()}
        self._stage("start", total=len(cases), answered=len(done))
        if done:
            self.evaluation.note("start", f"Going on after {len(done)} answered cases.")
        recorder = _Recorder(self, dict(done))
        request = self._request(image_id, run_dir / "hidden", cases, done=done)
        watcher = self._watcher(answered=recorder.answered, stage=recorder.stage)
        try:
            result = self._runner(host).run(request, watcher)
        except RunError as error:
            recorder.flush(run_log=error.logs)
            raise
        recorder.flush(run_log=result.logs)
        self.evaluation.note("run", "All cases were answered.", _run_facts(result))
        return result

    def _cases(self, split: str) -> Any:
        return Case.objects.filter(dataset=self.submission.phase.dataset, split=split).order_by("position")

    def _laid_out(self, cases: list[Case]) -> list[RunCase]:
        if self.submission.phase.dataset.content_hash != self.evaluation.dataset_hash:
            raise PlatformError("SYSTEM_DATASET", "the dataset has changed since the evaluation was made")
        return run_cases(self.submission.phase.dataset, cases, engine_host.cases_dir())

    def _request(
        self, image_id: str, run_dir: Path, cases: list[RunCase], *, stage: str = "run", done: Any = None
    ) -> RunRequest:
        return RunRequest(
            evaluation=str(self.evaluation.pk),
            attempt=self.evaluation.attempt,
            image_id=image_id,
            contract=self.submission.contract,
            cases=cases,
            limits=self.limits,
            kind=self.submission.phase.kind,
            cases_root=cases[0].image_path.parent,
            run_dir=run_dir,
            # Another order and other names in each attempt, so that nothing can be learnt from a repetition.
            seed=self.evaluation.seed * 1000 + self.evaluation.attempt,
            endpoint=self.submission.model_endpoint,
            adapter=self.submission.adapter,
            done=done or {},
            stage=stage,
        )

    def _runner(self, host: Host) -> Runner:
        return RUNNERS[self.submission.contract or "http"](host)

    def _watcher(self, **callbacks: Any) -> Watcher:
        return Watcher(is_cancelled=lambda: self.heartbeat.is_lost, **callbacks)

    def _stage(self, stage: str, **progress: Any) -> None:
        self.evaluation.save_progress(stage=stage, timings=self.timings, **progress)

    def _outcome(self, result: RunResult) -> Outcome:
        ids = self.submission.phase.case_ids()
        if set(ids) != result.answers.keys():
            raise PlatformError("SYSTEM_DATASET", "the cases changed during the run")
        kind = self.submission.phase.kind
        predictions = np.array([result.answers[name] for name in ids], dtype=np.float64).reshape(kind.shape(len(ids)))
        latencies = sorted(result.latency_s.values()) or [0.0]
        self.timings |= {
            "start_s": result.start_s,
            "predict_s": result.predict_s,
            "latency_median_s": statistics.median(latencies),
            "latency_p95_s": latencies[int(0.95 * (len(latencies) - 1))],
            "latency_s": {name: round(value, 6) for name, value in result.latency_s.items()},
            "peak_memory_bytes": result.peak_memory_bytes,
            "had_processes_killed_for_memory": result.oom_killed,
        }
        return Outcome(predictions, self.timings)


class _Recorder:
    """Writes progress of the hidden run now and then, and its answers so that a retry can go on."""

    def __init__(self, owner: _ContainerEvaluation, answers: dict[str, Any]) -> None:
        self.owner, self.answers = owner, answers
        self._next_progress = self._next_answers = 0.0

    def stage(self, name: str) -> None:
        self.owner.timings.setdefault("predict_started_at", timezone.now().isoformat())
        if self.owner.evaluation.stage != name:
            self._save(stage=name)

    def answered(self, case_id: str, answer: Any, latency_s: float) -> None:
        self.answers[case_id] = answer
        now = time.monotonic()
        if now >= self._next_progress:
            self._next_progress = now + PROGRESS_EVERY_S
            keep = now >= self._next_answers
            if keep:
                self._next_answers = now + ANSWERS_EVERY_S
            self._save(**({"partial_answers": self.answers} if keep else {}))

    def flush(self, **more: Any) -> None:
        self._save(partial_answers=self.answers, **more)

    def _save(self, **values: Any) -> None:
        """Write to the row while it is ours; the run is stopped by the heartbeat once it is not."""
        progress = {"answered": len(self.answers), "timings": self.owner.timings}
        try:
            self.owner.evaluation.save_progress(**progress, **values)
        except StatusConflict as error:
            raise RunCancelled from error


def limits_of(frozen: dict[str, Any], engine: Engine) -> Limits:
    """Return the limits a submission was sent under, no more cores than the engine has."""
    known = {field.name for field in fields(Limits)} - {"memory_mib", "tmp_mib", "shm_mib"}
    limits = {name: value for name, value in frozen.items() if name in known}
    cores = engine.facts()["cpus"] or os.cpu_count() or 1
    limits["cpus"] = min(float(limits.get("cpus", settings.EVALUATION_CPUS)), float(cores))
    return limits_with(memory_mb=int(frozen.get("memory_mb", settings.EVALUATION_MEMORY_MB)), **limits)


def _image_facts(facts: ImageFacts) -> str:
    """Return what staff read of an image."""
    return (
        f"{facts.image_id}, {facts.layout}, {len(facts.diff_ids)} layers, {facts.file_bytes:,} bytes, "
        f"unpacked {facts.expanded_bytes:,}, user {facts.config.user or 'root'!a}"
    )


def _engine_facts(engine: Engine, host: Host) -> str:
    facts = engine.facts()
    return (
        f"engine {facts['engine']}, runc {facts['runc']}, {facts['storage_driver']}, kernel {facts['kernel']}, "
        f"runtime {host.runtime or 'default'}, driver {host.driver_image}"
    )


def _run_facts(result: RunResult) -> str:
    return (
        f"ready after {result.start_s:.2f} s, predicted in {result.predict_s:.2f} s, "
        f"peak {result.peak_memory_bytes >> 20} MiB, out of memory inside: {result.oom_killed}"
    )
