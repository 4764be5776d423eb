"""The demo's submissions: one in every state, created by the same actions as real submissions.

Scores are real: a CSV is checked, stored, claimed, read and scored like any other. Two images stay in the states
running and waiting, because their dates are far in the future and so no worker claims them.
"""

from __future__ import annotations

import hashlib
import io
import tarfile
import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np
from django.contrib.auth.models import User
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import transaction
from django.db.models import F

from lunasite.demo.phases import ENDED, OPEN, PICTURES
from submissions import actions
from submissions.actions.evaluate import claim
from submissions.faults import ParticipantError
from submissions.intake.image.scan import scan_archive
from submissions.models import Evaluation, EvaluationEvent, Phase, Submission
from submissions.runner.contracts import contracts_for
from submissions.storage.base import Stored

WORKER = "demo-host/demo"
FAR = timedelta(days=3650)


@dataclass(frozen=True)
class Entry:
    """A CSV that a team submitted. skill: how well its scores separate the classes; 0 means guessing."""

    key: str
    username: str
    phase: str
    title: str
    skill: float
    days_ago: float
    model_version: str = ""
    model_name: str = ""
    code_url: str = ""
    paper_url: str = ""
    is_baseline: bool = False


SCORED = (
    Entry("baseline", "organiser", OPEN, "A simple rule", 0.6, 13, "baseline", is_baseline=True),
    Entry("alveoli-1", "ada", OPEN, "First try", 0.7, 9, "0.1", "AlveoNet"),
    Entry(
        "alveoli-2",
        "ben",
        OPEN,
        "Deeper network",
        1.1,
        4,
        "0.2",
        "AlveoNet",
        "https://example.org/alveonet/code",
        "https://example.org/alveonet/paper",
    ),
    Entry(
        "bronchi-1", "carla", OPEN, "Radiomics and trees", 0.9, 6, "1.0", "RadForest", "https://example.org/radforest"
    ),
    Entry("carina-1", "dan", OPEN, "Logistic regression", 0.4, 5, "a"),
    Entry("rehearsal-1", "ada", ENDED, "Rehearsal", 0.8, 30, "0.0"),
    Entry("rehearsal-2", "carla", ENDED, "Rehearsal", 0.85, 25, "0.9"),
    Entry("slices-1", "dan", PICTURES, "Small CNN", 2.0, 3, "a"),
    Entry("slices-2", "carla", PICTURES, "Linear probe", 1.2, 2, "1.0"),
)
CANCELLED = Entry("cancelled", "dan", OPEN, "Wrong file", 0.0, 1)
WAITING_CSV = Entry("fresh", "ada", OPEN, "Ensemble of five", 1.2, 0, "0.3")


def make_entries(users: dict[str, User], phases: dict[str, Phase], now: datetime) -> None:
    """Submit the entries that are missing, and set the start of the running one back."""
    for entry in SCORED:
        if not _is_there(entry.key):
            _score(entry, users, phases[entry.phase], now)
    if not _is_there(CANCELLED.key):
        actions.cancel(submission=_send(CANCELLED, users, phases[OPEN], now))
    if not _is_there(WAITING_CSV.key):
        _send(WAITING_CSV, users, phases[OPEN], now)
    _fail_in_intake(users["carla"], phases[OPEN], now - timedelta(days=2))
    _fail_for_memory(users["dan"], phases[OPEN], now - timedelta(days=3))
    _fail_by_our_fault(users["ben"], phases[OPEN], now - timedelta(hours=7))
    _keep_running(users["carla"], phases[OPEN], now)
    _keep_waiting(users["dan"], phases[OPEN], now)


def _is_there(key: str) -> bool:
    return Submission.objects.filter(idempotency_key=f"demo-{key}").exists()


def predictions_csv(phase: Phase, skill: float, seed: int) -> bytes:
    """Return synthetic predictions, sample cases included, that match the truth to the degree that `skill` sets."""
    rng = np.random.default_rng(seed)
    lines = [",".join(phase.kind.template_header())]
    for public_id, truth in phase.dataset.cases.order_by("position").values_list("public_id", "truth"):
        lines.append(f"{public_id},{_values(phase, truth, skill, rng)}")
    return "\n".join([*lines, ""]).encode()


def _values(phase: Phase, truth: int, skill: float, rng: np.random.Generator) -> str:
    names = phase.kind.class_names
    if len(names) == 2:
        return f"{1 / (1 + np.exp(-(skill * (2 * truth - 1) + rng.normal()))):.6f}"
    weights = np.exp(rng.normal(size=len(names)) + skill * (np.arange(len(names)) == truth))
    return ",".join(f"{share:.6f}" for share in weights / weights.sum())


def _send(entry: Entry, users: dict[str, User], phase: Phase, now: datetime) -> Submission:
    seed = int(hashlib.sha256(entry.key.encode()).hexdigest()[:8], 16)
    file = SimpleUploadedFile(f"{entry.key}.csv", predictions_csv(phase, entry.skill, seed))
    return actions.submit_csv(
        user=users[entry.username], phase=phase, file=file, received_at=now - timedelta(days=entry.days_ago),
        title=entry.title, model_name=entry.model_name, model_version=entry.model_version, code_url=entry.code_url,
        paper_url=entry.paper_url, idempotency_key=f"demo-{entry.key}",
    )  # fmt: skip


def _score(entry: Entry, users: dict[str, User], phase: Phase, now: datetime) -> None:
    submission = _send(entry, users, phase, now)
    actions.evaluate(evaluation_id=submission.latest.pk, worker=WORKER)
    if entry.is_baseline:
        actions.mark_baseline(submission=submission, is_baseline=True)
    _backdate(submission.latest, submission.created_at)


def _backdate(evaluation: Evaluation, to: datetime) -> None:
    """Shift the times of an evaluation made just now, so that it was created at `to`."""
    by = evaluation.created_at - to
    times = {name: F(name) - by for name in ("created_at", "started_at", "finished_at")}
    Evaluation.objects.filter(pk=evaluation.pk).update(**times)
    EvaluationEvent.objects.filter(evaluation=evaluation).update(at=F("at") - by)


# Images. No image was built: the upload is a small archive without an image, which intake really refuses.


def _send_image(key: str, user: User, phase: Phase, at: datetime, name: str, **fields: Any) -> Evaluation:
    data = _archive()
    stored_key = default_storage.save(f"submissions/{uuid.uuid4()}/image.tar", ContentFile(data))
    stored = Stored(stored_key, hashlib.sha256(data).hexdigest(), len(data))
    submission = actions.submit(
        user=user, phase=phase, submission_type=Submission.Type.DOCKER, stored=stored, received_at=at,
        original_name=f"{name.partition(':')[0]}.tar",
        docker_image_name=name, idempotency_key=f"demo-{key}", **fields,
    )  # fmt: skip
    return submission.latest


def _archive() -> bytes:
    """Return an archive as from `docker export` (used by mistake for `docker save`): files without a manifest."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        text = b"This is a file system, not an image.\n"
        member = tarfile.TarInfo("app/README")
        member.size = len(text)
        tar.addfile(member, io.BytesIO(text))
    return buffer.getvalue()


def _begun(evaluation: Evaluation) -> Evaluation:
    claimed = claim(evaluation.pk, WORKER)
    assert claimed, "a submission made in this transaction is nobody else's"
    claimed.add_event("running", "A worker has started.", WORKER)
    return claimed


@transaction.atomic
def _fail_in_intake(user: User, phase: Phase, at: datetime) -> None:
    if _is_there("export"):
        return
    evaluation = _begun(_send_image("export", user, phase, at, "radiomics:1.1", title="Radiomics in a container"))
    try:
        scan_archive(io.BytesIO(_archive()))
    except ParticipantError as error:
        actions.fail(evaluation=evaluation, code=error.code, note=error.note)
    _backdate(evaluation, at)


@transaction.atomic
def _fail_for_memory(user: User, phase: Phase, at: datetime) -> None:
    if _is_there("memory"):
        return
    evaluation = _begun(_send_image("memory", user, phase, at, "big-ensemble:2", title="Ten networks at once"))
    total = phase.dataset.scored_cases().count()
    evaluation.add_event("smoke", "All 8 public sample cases were answered.")
    evaluation.save_progress(
        stage="run",
        total=total,
        answered=total // 3,
        smoke_log="loading 10 networks\nlistening on 0.0.0.0:8000\n",
    )
    answered = f"{total // 3} of {total} cases were answered."
    actions.fail(evaluation=evaluation, code="OUT_OF_MEMORY", note=answered, staff_detail="exit 137, OOMKilled")
    _backdate(evaluation, at)


@transaction.atomic
def _fail_by_our_fault(user: User, phase: Phase, at: datetime) -> None:
    if _is_there("ours"):
        return
    evaluation = _begun(_send_image("ours", user, phase, at, "deep-net:0.2", title="Deeper network, as an image"))
    staff_detail = "the engine did not answer within 60 s (demo)"
    actions.fail(evaluation=evaluation, code="SYSTEM_ENGINE", staff_detail=staff_detail)
    _backdate(evaluation, at)


@transaction.atomic
def _keep_running(user: User, phase: Phase, now: datetime) -> None:
    """Show a running image; its lease ends years from now, so the sweep does not requeue it."""
    if not _is_there("running"):
        evaluation = _begun(
            _send_image("running", user, phase, now, "radiomics:1.2", title="Radiomics, saved this time")
        )
        evaluation.add_event("smoke", "All 8 public sample cases were answered.")
        evaluation.save_progress(stage="run", smoke_log="listening on 0.0.0.0:8000\n", lease_until=now + FAR)
    total = phase.dataset.scored_cases().count()
    started = now - timedelta(seconds=41)
    running = Evaluation.objects.filter(submission__idempotency_key="demo-running", status=Evaluation.Status.RUNNING)
    running.update(
        started_at=started, heartbeat_at=now, answered=total // 3, total=total,
        timings={"predict_started_at": started.isoformat()},
    )  # fmt: skip


@transaction.atomic
def _keep_waiting(user: User, phase: Phase, now: datetime) -> None:
    """Show an image in the queue; it becomes available years from now, so no host with an engine claims it."""
    if _is_there("waiting"):
        return
    evaluation = _send_image(
        "waiting",
        user,
        phase,
        now,
        "regression:b",
        title="Regression in a container",
        contract=contracts_for(phase.kind)[-1].name,
    )
    Evaluation.objects.filter(pk=evaluation.pk).update(available_at=now + FAR)
