"""Count what a container could carry out through its run time, its memory and the point where it fails, in bits a try.

Such a container has seen hidden images, not labels. Each channel is moved over its whole range, the row written as a
worker writes it, and everything that its team can read is compared: as many different answers, so many bits.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import Any

import numpy as np
from django.utils import timezone

from benchmarks.leakage.participant import OF_SUBMISSION, Participant
from submissions.disclosure.side_channels import step_at_or_after
from submissions.models import Evaluation, Phase, Submission, Team

CASES, LIMIT_MIB, MAX_S = 1000, 4096, 3600.0
# What differs from one reading to the next by itself.
VOLATILE = re.compile(r'(csrfmiddlewaretoken" value|nonce|signature": |X-CSRFToken": )[=: ]*"[^"]*"|\d+ \w+ ago')
Row = dict[str, Any]


def bits_a_try(player: Participant, *, readings: int = 120, is_held_back: bool = True) -> dict[str, float]:
    """Return log2 of the number of different answers, by channel.

    is_held_back: the worker ends a run on a step of the clock, as it does in a competition.
    """
    evaluation = _container_run(player)
    start = evaluation.started_at
    assert start is not None

    def ran(seconds: float) -> Row:
        told = step_at_or_after(seconds) if is_held_back else seconds
        timings = {"predict_s": seconds, "start_s": seconds / 9, "latency_median_s": seconds / CASES}
        return {"finished_at": start + timedelta(seconds=told), "timings": timings}

    def peaked(mib: float) -> Row:
        return {"timings": {"peak_memory_bytes": int(mib * 2**20)}}

    def failed(answered: float) -> Row:
        return {
            "status": "failed", "failure_code": "CONTAINER_EXITED", "answered": int(answered), "total": CASES,
            "failure_note": f"after {int(answered)} cases", "stage": "run", "is_current": False, "scores": {},
        }  # fmt: skip

    channels: dict[str, tuple[Callable[[float], Row], Iterable[float]]] = {
        "run time": (ran, np.geomspace(1, MAX_S, readings)),
        "memory": (peaked, np.linspace(64, LIMIT_MIB, readings)),
        "point of failure": (failed, np.linspace(0, CASES - 1, readings)),
    }
    return {
        name: math.log2(len({_read(player, evaluation, row(value)) for value in values}))
        for name, (row, values) in channels.items()
    }


def _container_run(player: Participant) -> Evaluation:
    phase = Phase.objects.get(slug=player.slug)
    submission = Submission.objects.create(
        phase=phase, team=Team.objects.get(memberships__user=player.user), user=player.user, submission_type="docker",
        original_name="model.tar", sha256="0" * 64, size_bytes=1, created_at=timezone.now() - timedelta(hours=2),
        limits=phase.limits().as_dict() | {"memory_mib": LIMIT_MIB},
    )  # fmt: skip
    return Evaluation.objects.create(
        submission=submission, status="completed", is_current=True, attempt=1, total=CASES, answered=CASES,
        started_at=timezone.now() - timedelta(hours=2), finished_at=timezone.now(), stage="scored",
        scores={"public": {"n": 300, "auc": 0.5}}, dataset_hash=phase.dataset.content_hash,
    )  # fmt: skip


def _read(player: Participant, evaluation: Evaluation, row: Row) -> str:
    Evaluation.objects.filter(pk=evaluation.pk).update(**row)
    pages = [player.get(path, pk=evaluation.submission_id) for path in OF_SUBMISSION]  # type: ignore[attr-defined]
    return VOLATILE.sub("", "\n".join(pages))
