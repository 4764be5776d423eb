"""Evaluate a Docker image: have it loaded, smoke run, hidden run; predictions come back."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import statistics
import tempfile
import time
from dataclasses import fields
from pathlib import Path
from typing import Any

from django.conf import settings

from submissions.actions.heartbeat import Heartbeat
from submissions.failures import FAILURES
from submissions.faults import PlatformError, SharedPart
from submissions.models import Case, Evaluation, Incident, StatusConflict, Submission
from submissions.outages.hosts import this_host
from submissions.runner.attempt import Host
from submissions.runner.base import (
    TRIAL,
    ContainerFault,
    Engine,
    EngineFault,
    EngineRestarted,
    Limits,
    RunCallbacks,
    RunCancelled,
    RunCase,
    RunError,
    Runner,
    RunRequest,
    RunResult,
    limits_with,
)
from submissions.runner.contracts import default_contract
from submissions.scoring import Outcome
from submissions.worker import engine_host
from submissions.worker.case_files import run_cases, trial_cases
from submissions.worker.image_loading import image_on
from submissions.worker.model_folder import model_folder
from submissions.worker.progress_recorder import AnswerRecorder, ProgressRecorder, TrialRecorder
from submissions.worker.release import released_on_a_step


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
        error.code = error.code if error.code in FAILURES else "SYSTEM_ENGINE"
        # Away or full for every image alike: the host waits, and the attempt does not count.
        if isinstance(error, EngineRestarted) or engine_host.engine_problem():
            error.shared = SharedPart(Incident.Part.HOST, this_host())
        raise
    except ContainerFault as error:
        error.stage = evaluation.stage if evaluation.stage == TRIAL else ""
        raise


class _ContainerEvaluation:
    def __init__(self, evaluation: Evaluation, heartbeat: Heartbeat, engine: Engine) -> None:
        self.evaluation, self.heartbeat, self.engine = evaluation, heartbeat, engine
        self.submission: Submission = evaluation.submission
        self.progress = ProgressRecorder(evaluation)
        self.limits = limits_of(self.submission.limits, engine.facts().cpus)
        self.model_dir: Path | None = None
        # Of an earlier attempt, whose trial is not repeated.
        self.samples: dict[str, Any] = dict(evaluation.sample_answers)

    def run(self) -> Outcome:
        host = engine_host.container_host(self.engine)
        image_id = image_on(host, self.progress, self.heartbeat)
        # Beside the images, so that it is a place the engine can mount.
        runs = engine_host.cases_dir() / "runs"
        runs.mkdir(exist_ok=True)
        # A model reads its mounts' names in /proc: they tell neither the evaluation nor sample cases from hidden ones.
        run_dir = Path(tempfile.mkdtemp(dir=runs))
        try:
            self.model_dir = model_folder(self.submission, run_dir / secrets.token_hex(8), self.heartbeat.check)
            self._smoke(host, image_id, run_dir)
            with released_on_a_step(self.progress, self.heartbeat):
                result = self._hidden(host, image_id, run_dir)
        finally:
            shutil.rmtree(run_dir, ignore_errors=True)
            with contextlib.suppress(EngineFault):  # a mark decides nothing about what the run came to
                engine_host.image_cache(self.engine).mark_used(self.submission.image_id, time.time())
        return self._outcome(result)

    def _smoke(self, host: Host, image_id: str, run_dir: Path) -> None:
        """Run the public sample cases first; their logs are the participant's to read."""
        samples = trial_cases(self.submission.phase.dataset)
        if not samples or "smoke_s" in self.progress.timings:
            return
        self.progress.stage(TRIAL, total=len(samples), answered=0)
        trial = TrialRecorder(self.progress)
        watcher = self._watcher(answered=trial.answered, log=trial.log, hint=trial.hint, note=trial.note)
        try:
            with self.progress.timed("smoke_s"):
                request = self._request(image_id, run_dir / secrets.token_hex(8), self._laid_out(samples), stage=TRIAL)
                result = self._runner(host).run(request, watcher)
        except RunError as error:
            trial.failed(error)
            error.note = f"{error.note} This was on the public sample cases; their log is on the page."
            raise
        self.progress.timings |= _sample_timings(result)
        self.samples = dict(result.answers)
        kept = {"sample_answers": self.samples, "timings": self.progress.timings}
        self.evaluation.save_progress(smoke_log=result.logs, trial={}, **kept)
        self.evaluation.add_event("smoke", f"All {len(samples)} public sample cases were answered.")

    def _hidden(self, host: Host, image_id: str, run_dir: Path) -> RunResult:
        """Run the cases that count, going on where an attempt that failed by our fault had stopped."""
        cases = self._laid_out(list(self.submission.phase.dataset.scored_cases()))
        done = dict(self.evaluation.partial_answers)
        self.progress.timings["tenths_at_s"] = []
        self.progress.stage("start", total=len(cases), answered=len(done))
        if done:
            self.evaluation.add_event("start", f"Going on after {len(done)} answered cases.")
        recorder = AnswerRecorder(self.progress, dict(done))
        request = self._request(image_id, run_dir / secrets.token_hex(8), cases, done=done)
        watcher = self._watcher(answered=recorder.answered, stage=recorder.stage)
        try:
            result = self._runner(host).run(request, watcher)
        except RunError as error:
            recorder.flush(run_log=error.logs)
            raise
        recorder.flush(run_log=result.logs)
        self.evaluation.add_event("run", "All cases were answered.", _run_facts(result))
        return result

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
            model_dir=self.model_dir,
            slugs=self.submission.phase.batch_slugs,
            writable_folders=tuple(self.submission.writable_folders),
        )

    def _runner(self, host: Host) -> Runner:
        return engine_host.runner_of(host, self.submission.contract or default_contract())

    def _watcher(self, **callbacks: Any) -> RunCallbacks:
        return RunCallbacks(is_cancelled=lambda: self.heartbeat.is_lost, **callbacks)

    def _outcome(self, result: RunResult) -> Outcome:
        ids = self.submission.phase.case_ids()
        if set(ids) != result.answers.keys():
            raise PlatformError("SYSTEM_DATASET", "the cases changed during the run")
        predictions = self.submission.phase.kind.gather([result.answers[name] for name in ids])
        latencies = sorted(result.latency_s.values()) or [0.0]
        timings = self.progress.timings | {
            "start_s": result.start_s,
            "predict_s": result.predict_s,
            "latency_median_s": statistics.median(latencies),
            "latency_p95_s": latencies[int(0.95 * (len(latencies) - 1))],
            "latency_s": {name: round(value, 6) for name, value in result.latency_s.items()},
            "peak_memory_bytes": result.peak_memory_bytes,
            "had_processes_killed_for_memory": result.oom_killed,
        }
        return Outcome(predictions, timings, self.samples)


def limits_of(frozen: dict[str, Any], engine_cpus: int) -> Limits:
    """Return the limits a submission was sent under, no more cores than the engine has; 0: it does not say."""
    known = {field.name for field in fields(Limits)} - {"memory_mib", "tmp_mib", "shm_mib"}
    limits = {name: value for name, value in frozen.items() if name in known}
    cores = engine_cpus or os.cpu_count() or 1
    limits["cpus"] = min(float(limits.get("cpus", settings.EVALUATION_CPUS)), float(cores))
    return limits_with(memory_mib=int(frozen.get("memory_mib", settings.EVALUATION_MEMORY_MIB)), **limits)


def _sample_timings(result: RunResult) -> dict[str, Any]:
    """Return the timings of the trial on sample cases, which its team may read in full."""
    latencies = sorted(result.latency_s.values()) or [0.0]
    return {
        "sample_start_s": result.start_s,
        "sample_predict_s": result.predict_s,
        "sample_latency_median_s": statistics.median(latencies),
        "sample_latency_s": {name: round(value, 6) for name, value in result.latency_s.items()},
        "sample_peak_memory_bytes": result.peak_memory_bytes,
    }


def _run_facts(result: RunResult) -> str:
    return (
        f"ready after {result.start_s:.2f} s, predicted in {result.predict_s:.2f} s, "
        f"peak {result.peak_memory_bytes >> 20} MiB, out of memory inside: {result.oom_killed}"
    )
