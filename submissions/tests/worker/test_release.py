"""A hidden run ends on a step of the run time, so that the moment of its end tells nothing (issue 9 A5)."""

import contextlib
import time
from datetime import timedelta

import pytest
from django.utils import timezone

from submissions.actions.evaluate import claim
from submissions.actions.heartbeat import Heartbeat
from submissions.models import Evaluation, StatusConflict
from submissions.presenters.progress import progress_of
from submissions.runner.base import RunCancelled, RunError
from submissions.tests.factories import make_phase, make_submission
from submissions.worker.progress_recorder import AnswerRecorder, ProgressRecorder
from submissions.worker.release import elapsed_s, released_on_a_step

pytestmark = pytest.mark.django_db
STARTED_S_AGO = 9.6


def running(disclosure="competition", since_s=STARTED_S_AGO, **fields):
    submission = make_submission(phase=make_phase(disclosure=disclosure))
    type(submission).objects.filter(pk=submission.pk).update(submission_type="docker")
    evaluation = claim(submission.latest.pk, "w")
    Evaluation.objects.filter(pk=evaluation.pk).update(
        started_at=timezone.now() - timedelta(seconds=since_s), stage="run", **fields
    )
    return Evaluation.objects.select_related("submission__phase__dataset").get(pk=evaluation.pk)


def end(evaluation, error=None):
    """Leave the block with an error or without; return (seconds it took, what was recorded)."""
    progress, began = ProgressRecorder(evaluation), time.monotonic()
    with contextlib.suppress(RunError), released_on_a_step(progress, Heartbeat(evaluation)):
        if error:
            raise error
    return time.monotonic() - began, progress.timings


@pytest.mark.parametrize("error", [None, RunError("OUT_OF_MEMORY")])
@pytest.mark.slow
def test_the_end_is_held_back_until_the_next_step(error):
    evaluation = running()
    _, timings = end(evaluation, error)
    assert 10.0 <= elapsed_s(evaluation) < 15.0
    assert timings["released_at_s"] == 10.0
    if error:
        evaluation.refresh_from_db()
        assert evaluation.timings["released_at_s"] == 10.0


def test_in_a_practice_phase_nothing_is_held_back():
    took_s, timings = end(running("practice", since_s=1))
    assert took_s < 5
    assert "released_at_s" not in timings


def test_a_cancelled_run_ends_at_once():
    evaluation, began = running(since_s=1), time.monotonic()
    with pytest.raises(RunCancelled), released_on_a_step(ProgressRecorder(evaluation), Heartbeat(evaluation)):
        raise RunCancelled
    assert time.monotonic() - began < 5


def test_a_run_that_is_lost_while_it_waits_is_not_finished():
    evaluation = running(since_s=1)
    heartbeat = Heartbeat(evaluation)
    heartbeat._lost.set()
    with pytest.raises(StatusConflict), released_on_a_step(ProgressRecorder(evaluation), heartbeat):
        pass


def test_each_tenth_is_noted_and_shown_only_on_the_next_step():
    evaluation = running(since_s=5, total=20)
    recorder = AnswerRecorder(ProgressRecorder(evaluation), {})
    for number in range(9):
        recorder.answered(f"case{number}", 0.5, 0.1)
    recorder.flush()
    evaluation.refresh_from_db()
    reached = evaluation.timings["tenths_at_s"]
    assert len(reached) == 4
    assert all(4.5 < at < 7 for at in reached)
    early, late = (progress_of(evaluation, evaluation.started_at + timedelta(seconds=at)) for at in (9, 12.5))
    assert (early.answered, early.sentence) == (0, "about 0 % of 20 cases, 9 s.")
    assert (late.answered, late.sentence) == (8, "about 40 % of 20 cases, 12 s.")
