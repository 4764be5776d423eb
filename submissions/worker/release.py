"""Hold back the end of a hidden run until the next step of the run time.

A container that has seen hidden images could tell something by the moment at which it ends, and whoever asks the page
every second would read it. So in a competition the end, good or bad, becomes known on a step: 10, 20, … 100 s, then
10 % more each.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator

from django.utils import timezone

from submissions.actions.heartbeat import Heartbeat
from submissions.disclosure.side_channels import step_at_or_after
from submissions.models import Evaluation
from submissions.runner.base import RunCancelled
from submissions.worker.progress_recorder import ProgressRecorder

LOOK_EVERY_S = 0.2


@contextlib.contextmanager
def released_on_a_step(progress: ProgressRecorder, heartbeat: Heartbeat) -> Iterator[None]:
    """Leave the block on a step of the run time, whether it ends well or not; at once after a cancel.

    `released_at_s` of the timings is the step. Raises StatusConflict when the attempt is lost meanwhile.
    """
    try:
        yield
    except RunCancelled:
        raise
    except Exception:
        _hold(progress, heartbeat)
        progress.evaluation.save_progress(timings=progress.timings)
        raise
    _hold(progress, heartbeat)


def _hold(progress: ProgressRecorder, heartbeat: Heartbeat) -> None:
    evaluation = progress.evaluation
    if _is_exact(evaluation) or evaluation.started_at is None:
        return
    step = step_at_or_after(elapsed_s(evaluation))
    progress.timings["released_at_s"] = step
    while (left := step - elapsed_s(evaluation)) > 0:
        heartbeat.check()
        time.sleep(min(left, LOOK_EVERY_S))


def _is_exact(evaluation: Evaluation) -> bool:
    phase = evaluation.submission.phase
    return phase.view_in(phase.state(timezone.now())).is_full("run_time")


def elapsed_s(evaluation: Evaluation) -> float:
    """Return the seconds since the attempt started."""
    assert evaluation.started_at is not None
    return (timezone.now() - evaluation.started_at).total_seconds()
