"""Hostile models against the real engine: each must end in its true sentence and leave nothing."""

import shutil
from dataclasses import replace

import pytest

from submissions.failures import FAILURES
from submissions.tests.containers import (
    HOSTILE,
    TEST_LIMITS,
    hostile_dockerfile,
    hostile_variants,
)

pytestmark = pytest.mark.engine
BASE = "FROM python:3.11-slim\nENV PYTHONPATH=/hostile PYTHONUNBUFFERED=1\nCOPY . /hostile\n"
FILLERS = ("fills_disk", "fills_inodes", "floods_the_log")
DISK_ALLOWANCE_BYTES = 100 << 20


@pytest.fixture(scope="module")
def base(bench):
    bench.build(BASE, HOSTILE)
    return bench.built[-1]


@pytest.mark.parametrize("hostile", hostile_variants(), ids=str)
def test_hostile_model_ends_in_its_verdict(hostile, base, bench):
    expected = hostile.expected
    image_id = bench.build(hostile_dockerfile(hostile, base))
    request = bench.request(
        image_id,
        contract=expected.get("contract", "http"),
        cases=bench.cases(expected.get("cases", 4)),
        limits=replace(TEST_LIMITS, **expected["limits"]),
        adapter=expected.get("adapter", {}),
        stage="smoke" if expected.get("is_smoke") else "run",
    )
    free = [shutil.disk_usage("/").free]

    code, outcome, seconds = bench.verdict(request, lambda: free.append(shutil.disk_usage("/").free))

    bench.drop()
    assert code in (expected["code"], *expected.get("or", ())), outcome
    assert bench.left_behind() == []
    if hostile.name in FILLERS:
        assert free[0] - min(free) < DISK_ALLOWANCE_BYTES
    assert seconds < expected.get("within_s", 20)
    if code is None:
        assert len(outcome.answers) == len(request.cases)
        if "answer" in expected:
            assert set(outcome.answers.values()) == {(expected["answer"],)}, outcome.logs
        return
    assert not FAILURES[code].is_ours
    assert expected.get("note", "") in outcome.note
    assert f"of {len(request.cases)} cases" in outcome.note
    assert outcome.answered == expected.get("answered", outcome.answered)
    assert "voxels-of-case" not in outcome.note + str(outcome)
