"""While a served model is called: what its end means, and whose word counts when both come at once."""

import json
from binascii import b2a_base64

import pytest

from submissions.runner.attempt import Host
from submissions.runner.base import ContainerFault, EngineFault, RunCallbacks, RunResult
from submissions.runner.contracts.http import _HttpRun
from submissions.runner.pseudonymize import pseudonymize_cases
from submissions.runner.values import ContainerState, EngineImage
from submissions.tests.run_requests import run_request

IMAGE = EngineImage("sha256:abc", {}, (), (8000,))


class EngineWithEndedModel:
    def state(self, container_id):
        return ContainerState(False, 0, False)

    def logs(self, container_id):
        return ""


class Stream:
    """What the driver says, all at once."""

    ended = False

    def __init__(self, events):
        self.events = events

    def lines(self, wait_s):
        lines, self.events = [json.dumps(event).encode() for event in self.events], []
        return lines


def new_run():
    request = run_request()
    calls = pseudonymize_cases(request.cases, request.seed)
    return _HttpRun(Host(EngineWithEndedModel(), "", "", ""), request, RunCallbacks(), calls, RunResult(), IMAGE), calls


def follow(*, with_all_answers):
    run, calls = new_run()
    body = b2a_base64(b'{"data": {"probability": 0.5}}').decode()
    answers = [{"event": "answer", "number": call.number, "seconds": 0.1, "body": body} for call in calls]
    run._follow(Stream([{"event": "ready"}, *answers, {"event": "done"}] if with_all_answers else answers[:-1]))
    return run


def test_a_model_that_ends_after_its_last_answer_has_done_its_work():
    """A server that serves so many requests and ends would else be blamed, by chance: the look comes once a second."""
    assert len(follow(with_all_answers=True).result.answers) == len(run_request().cases)


def test_a_model_that_ends_before_its_last_answer_is_to_blame():
    with pytest.raises(ContainerFault, match="CONTAINER_EXITED"):
        follow(with_all_answers=False)


def test_a_case_that_the_driver_cannot_read_is_ours_whatever_the_model_did():
    run, calls = new_run()
    fault = {"event": "fault", "number": calls[0].number, "code": "SYSTEM_DATASET", "detail": "no such file"}
    with pytest.raises(EngineFault) as caught:
        run._follow(Stream([{"event": "ready"}, fault]))
    assert (caught.value.code, caught.value.staff_detail) == ("SYSTEM_DATASET", "no such file")
