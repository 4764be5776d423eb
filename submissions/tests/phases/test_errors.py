"""What a refusal says and answers."""

import pytest

from submissions.models import Submission
from submissions.phases import errors


@pytest.mark.parametrize(
    ("sent", "wanted"),
    [(Submission.Type.CSV, "send a Docker image."), (Submission.Type.DOCKER, "send predictions as CSV.")],
)
def test_a_phase_that_takes_only_the_other_kind_says_which(sent, wanted):
    error = errors.type_not_accepted(sent)
    assert str(error.message).endswith(wanted)
    assert error.status_code == 400


def test_too_many_trials_are_429_with_a_time_to_wait():
    error = errors.trials_exceeded(50)
    assert error.status_code == 429
    assert error.wait == 3600
    assert error.message.startswith("50 images of your team failed")
