"""Hostile models against the real engine: each must end in its true sentence and leave nothing."""

import shutil
from dataclasses import replace

import pytest

from submissions.failures import FAILURES
from submissions.tests.containers import (
    ENGINES,
    HOSTILE,
    SLURM,
    TEST_LIMITS,
    Bench,
    hostile_dockerfile,
    hostile_variants,
)
from submissions.tests.small_python import on_small_python

pytestmark = pytest.mark.engine
BASE = "FROM python:3.11-slim\nENV PYTHONPATH=/hostile PYTHONUNBUFFERED=1\nCOPY . /hostile\n"
FILLERS = ("fills_disk", "fills_inodes", "floods_the_log")
DISK_ALLOWANCE_BYTES = 100 << 20
DISK_LOOKS = 3
# Those of expected.json are for Docker on an idle machine; podman, or two busy cores, may take up to thrice as long.
PATIENCE = 3
# What another engine could do worse than Docker: its limits, its namespaces, what it says of an end. The rest is ours.
# One variant of each, and some more: an engine call of podman takes its time.
ON_EVERY_ENGINE = (
    "batch_never_ends", "batch_outputs", "cannot_start", "eats_memory", "fills_disk", "fills_inodes", "floods_the_log",
    "fork_bomb", "looks_around", "opens_many_files", "other_users", "well_behaved", "writes_to_root",
)  # fmt: skip
# A child that is killed for memory, which its parent keeps to itself, is another thing to notice; and how an output
# comes out of the container, how large it may be and how its program ended are the engine's to say.
MORE_ON_EVERY_ENGINE = (
    "eats_memory-silent_child", "batch_never_ends-memory", "batch_outputs-missing", "batch_outputs-symlink",
    "batch_outputs-fifo", "batch_outputs-files", "batch_outputs-huge", "batch_outputs-exit", "batch_outputs-input",
)  # fmt: skip


def pytest_generate_tests(metafunc):
    variants = hostile_variants()
    firsts = list({variant.name: variant for variant in reversed(variants)}.values())
    some = [variant for variant in firsts if variant.name in ON_EVERY_ENGINE]
    more = [variant for variant in variants if str(variant) in MORE_ON_EVERY_ENGINE]
    assert len(more) == len(MORE_ON_EVERY_ENGINE)
    some += more
    pairs = [
        pytest.param(engine.values[0], hostile, marks=engine.marks, id=f"{hostile}-{engine.values[0]}")
        for engine in (*ENGINES, SLURM)
        for hostile in (variants if engine.values[0] == "docker" else some)
    ]
    # The scope is said, because a pair would be set up for each test otherwise, with the engine and the base image.
    metafunc.parametrize(("bench", "hostile"), pairs, indirect=["bench"], scope="module")


@pytest.fixture(scope="module")
def base(bench):
    bench.build(on_small_python(BASE) if bench.is_slurm else BASE, HOSTILE, is_base=True)
    return bench.built[-1]


def verdict_and_disk_taken(bench, request):
    """Return the verdict, and how many bytes the engine's disk lost at most while the model ran."""
    root = bench.engine.facts().root
    free = [shutil.disk_usage(root).free]
    verdict = bench.verdict(request, lambda: free.append(shutil.disk_usage(root).free))
    return verdict, free[0] - min(free)


def verdict_of_filler(bench, request):
    """Return the verdict on a model that tries to fill the disk, having seen that the disk stayed as it was.

    Other programs write to that disk as well, so a loss is looked at again: a model that can fill it does so each time.
    """
    taken = []
    for attempt in range(1, 1 + DISK_LOOKS):
        verdict, lost = verdict_and_disk_taken(bench, replace(request, attempt=attempt))
        taken.append(lost)
        if lost < DISK_ALLOWANCE_BYTES:
            return verdict
    pytest.fail(f"the disk lost {taken} bytes in each of {DISK_LOOKS} runs")


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
    judge = verdict_of_filler if hostile.name in FILLERS else Bench.verdict

    code, outcome, seconds = judge(bench, request)

    bench.drop()
    assert code in (expected["code"], *expected.get("or", ())), outcome
    assert bench.left_behind() == []
    assert seconds < expected.get("within_s", 20) * PATIENCE
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
