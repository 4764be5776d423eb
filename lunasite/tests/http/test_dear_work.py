"""Dear work is done once for its inputs, one at a time for a caller, and not too often."""

import pytest

from lunasite.http.errors import ApiError
from lunasite.http.limits.dear_work import one_at_a_time, remembered

pytestmark = pytest.mark.django_db


class Work:
    def __init__(self, error=None):
        self.times, self.error = 0, error

    def __call__(self):
        self.times += 1
        if self.error:
            raise self.error
        return [self.times]


def test_equal_inputs_are_computed_once():
    work = Work()
    assert [remembered("k", (1, "a"), work, caller="user:1") for _ in range(3)] == [[1]] * 3
    assert remembered("k", (1, "a"), work, caller="user:2") == [1]
    assert remembered("k", (1, "b"), work, caller="user:1") == [2]
    assert remembered("other", (1, "a"), work, caller="user:1") == [3]


def test_no_result_is_remembered_too():
    results = iter([None, 1])
    assert [remembered("k", (), lambda: next(results), caller="c") for _ in range(2)] == [None, None]


def test_a_second_one_of_the_same_caller_waits_another_caller_does_not():
    with one_at_a_time("user:1"):
        with pytest.raises(ApiError, match="still being computed") as busy:
            remembered("k", (), Work(), caller="user:1")
        assert (busy.value.status_code, busy.value.error_code) == (429, "TOO_MANY_REQUESTS")
        assert remembered("k", (), Work(), caller="user:2") == [1]
        assert remembered("k", (), Work(), caller="user:1") == [1]  # it is there now
    assert remembered("l", (), Work(), caller="user:1") == [1]


def test_after_an_error_the_caller_may_go_on_and_nothing_is_kept():
    with pytest.raises(KeyError):
        remembered("k", (), Work(KeyError()), caller="user:1")
    assert remembered("k", (), Work(), caller="user:1") == [1]


def test_what_is_computed_is_throttled_what_is_remembered_is_not(settings):
    rates = settings.REST_FRAMEWORK["DEFAULT_THROTTLE_RATES"] | {"dear": "2/day"}
    settings.REST_FRAMEWORK = settings.REST_FRAMEWORK | {"DEFAULT_THROTTLE_RATES": rates}
    for n in range(2):
        remembered("k", (n,), Work(), caller="user:1")
    with pytest.raises(ApiError, match="often") as refusal:
        remembered("k", (2,), Work(), caller="user:1")
    assert refusal.value.wait > 0
    assert remembered("k", (1,), Work(), caller="user:1") == [1]
    assert remembered("k", (2,), Work(), caller="user:2") == [1]
