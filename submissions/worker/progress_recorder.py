"""How far an attempt is, written into its row: stages, timings, and answers so that a retry can go on."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from typing import Any

from django.utils import timezone

from lunasite.http.tracing import past_span, span
from submissions.disclosure.side_channels import tenth
from submissions.models import Evaluation, StatusConflict
from submissions.runner.base import TRIAL, RunCancelled, RunError

PROGRESS_EVERY_S = 0.5
ANSWERS_EVERY_S = 5.0


class ProgressRecorder:
    """Stages and timings of one attempt. timings: seconds and more by name, those of earlier attempts included."""

    def __init__(self, evaluation: Evaluation) -> None:
        self.evaluation = evaluation
        self.timings: dict[str, Any] = dict(evaluation.timings)

    def stage(self, stage: str, **progress: Any) -> None:
        """Say that a stage begins. Raises StatusConflict once the attempt is no longer ours."""
        self.evaluation.save_progress(stage=stage, timings=self.timings, **progress)

    @contextlib.contextmanager
    def timed(self, name: str) -> Iterator[None]:
        """Take the seconds of a block that ends well."""
        started = time.monotonic()
        with span(name.removesuffix("_s")):
            yield
        self.timings[name] = time.monotonic() - started


class AnswerRecorder:
    """Writes the answers of the hidden run now and then. answers: those of earlier attempts by case id."""

    def __init__(self, progress: ProgressRecorder, answers: dict[str, Any]) -> None:
        self.progress, self.answers = progress, answers
        self._next_progress = self._next_answers = 0.0

    def stage(self, name: str) -> None:
        self.progress.timings.setdefault("predict_started_at", timezone.now().isoformat())
        if self.progress.evaluation.stage != name:
            self._save(stage=name)

    def answered(self, case_id: str, answer: Any, latency_s: float) -> None:
        self.answers[case_id] = answer
        past_span("container call", latency_s)
        self._note_tenth()
        now = time.monotonic()
        if now >= self._next_progress:
            self._next_progress = now + PROGRESS_EVERY_S
            keep = now >= self._next_answers
            if keep:
                self._next_answers = now + ANSWERS_EVERY_S
            self._save(**({"partial_answers": self.answers} if keep else {}))

    def _note_tenth(self) -> None:
        """Note when each tenth of the cases was answered: participants are told of it on the next step only."""
        evaluation, reached = self.progress.evaluation, self.progress.timings.setdefault("tenths_at_s", [])
        now_s = (timezone.now() - (evaluation.started_at or timezone.now())).total_seconds()
        while len(reached) < tenth(len(self.answers), evaluation.total):
            reached.append(round(now_s, 1))

    def flush(self, **more: Any) -> None:
        self._save(partial_answers=self.answers, **more)

    def _save(self, **values: Any) -> None:
        """Write to the row while it is ours; the run is stopped by the heartbeat once it is not."""
        progress = {"answered": len(self.answers), "timings": self.progress.timings}
        try:
            self.progress.evaluation.save_progress(**progress, **values)
        except StatusConflict as error:
            raise RunCancelled from error


class TrialRecorder:
    """Writes a trial on public sample cases into its row while it goes on: everything its team may read."""

    def __init__(self, progress: ProgressRecorder) -> None:
        self.progress = progress
        self.count = 0
        self.left_read_only = ""
        self._next = 0.0

    def answered(self, case_id: str, answer: Any, latency_s: float) -> None:
        self.count += 1
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + PROGRESS_EVERY_S
            self._save(answered=self.count)

    def log(self, text: str) -> None:
        if text != self.progress.evaluation.smoke_log:
            self._save(smoke_log=text)

    def hint(self, sentence: str) -> None:
        self._save(trial={"diagnosis": sentence})

    def note(self, sentence: str) -> None:
        """Keep what stays read-only: in the timeline at once, beside the diagnosis if the trial fails."""
        if sentence != self.left_read_only:
            self.left_read_only = sentence
            self.progress.evaluation.add_event(TRIAL, sentence)

    def failed(self, error: RunError) -> None:
        facts = {"status": error.status, "answer": error.answer, "diagnosis": error.diagnosis}
        facts["left_read_only"] = self.left_read_only
        shown = {name: value for name, value in facts.items() if value}
        # What PostgreSQL cannot hold in a text.
        if "answer" in shown:
            shown["answer"] = error.answer.replace("\x00", "")
        self._save(answered=self.count, smoke_log=error.logs, trial=shown)

    def _save(self, **values: Any) -> None:
        try:
            self.progress.evaluation.save_progress(**values)
        except StatusConflict as conflict:
            raise RunCancelled from conflict
