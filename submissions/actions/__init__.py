"""The actions of the challenge. All take keyword arguments only, and each owns its transaction."""

from submissions.actions.choice import choose
from submissions.actions.evaluate import evaluate
from submissions.actions.finish import fail
from submissions.actions.queue import DOCKER_CLUSTER
from submissions.actions.reuse import model_archive_of, same_file_before
from submissions.actions.staff.oversight import cancel_for, file_url
from submissions.actions.staff.reveal import reveal
from submissions.actions.submit import submit, submit_csv
from submissions.actions.submit_image import submit_again, submit_image, submit_reference, submit_upload
from submissions.actions.sweep import sweep
from submissions.actions.triage import (
    cancel,
    mark_baseline,
    re_evaluate,
    refund,
    release,
    retry,
    set_hidden,
)
from submissions.actions.work import Probes, may_claim, reopen, work_on_message, work_once, work_without_messages
from submissions.outages.hosts import Probe

__all__ = [
    "DOCKER_CLUSTER",
    "Probe",
    "Probes",
    "cancel",
    "cancel_for",
    "choose",
    "evaluate",
    "fail",
    "file_url",
    "mark_baseline",
    "may_claim",
    "model_archive_of",
    "re_evaluate",
    "refund",
    "release",
    "reopen",
    "retry",
    "reveal",
    "same_file_before",
    "set_hidden",
    "submit",
    "submit_again",
    "submit_csv",
    "submit_image",
    "submit_reference",
    "submit_upload",
    "sweep",
    "work_on_message",
    "work_once",
    "work_without_messages",
]
