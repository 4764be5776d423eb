"""Images of today's Grand Challenge: inputs.json with the sockets, a model apart from the image, slugs of the phase."""

import json
from dataclasses import replace

import pytest

from submissions.runner.base import ContainerFault, Limits
from submissions.runner.contracts.batch import lanes
from submissions.tests.containers import HOSTILE, open_to_all
from submissions.tests.foreign_images.test_habits import AS_ROOT, AS_USER, BASE, LIMITS, MAKE_USER, build

pytestmark = pytest.mark.engine
# As the template of 2025 finds out what it is given.
ALGORITHM = """
import json, os, pathlib
inputs = json.loads(pathlib.Path("/input/inputs.json").read_text())
by_slug = {each["socket"]["slug"]: each for each in inputs}
image = by_slug[SLUG]
scan = pathlib.Path("/input", image["socket"]["relative_path"], image["image"]["name"])
assert scan.read_bytes().startswith(b"voxels"), scan
places = next(each for slug, each in by_slug.items() if "locations" in slug)
points = json.loads(pathlib.Path("/input", places["socket"]["relative_path"]).read_text())["points"]
assert points == places["value"]["points"]
weight = float(pathlib.Path("/opt/ml/model/weights.txt").read_text())
assert not os.access("/opt/ml/model", os.W_OK)
os.makedirs("logs", exist_ok=True)
for point in points:
    point["probability"] = weight
pathlib.Path("/output", OUTPUT).write_text(json.dumps({"points": points}))
raise SystemExit
"""


@pytest.fixture(scope="module")
def base(bench):
    bench.build(BASE, HOSTILE)
    return bench.built[-1]


def algorithm(slug="chest-ct", output="lung-nodule-malginancy-likelihoods"):
    return ALGORITHM.replace("SLUG", repr(slug)).replace("OUTPUT", repr(f"{output}.json"))


@pytest.fixture
def model_dir(bench):
    folder = bench.folder / "model"
    folder.mkdir(exist_ok=True)
    (folder / "weights.txt").write_text("0.75")
    open_to_all(folder)
    return folder


def outcome_of(bench, image_id, **changes):
    request = bench.request(image_id, **({"limits": LIMITS, "contract": "batch", "stage": "smoke"} | changes))
    code, outcome, _ = bench.verdict(request)
    bench.drop()
    assert bench.left_behind() == []
    return code, outcome


@pytest.mark.parametrize("user", [(MAKE_USER, *AS_USER[1:]), AS_ROOT], ids=["user", "root"])
def test_an_algorithm_finds_its_sockets_and_its_model(user, base, bench, model_dir):
    code, outcome = outcome_of(bench, build(bench, base, algorithm(), user=user), model_dir=model_dir)
    assert code is None, (outcome.note, outcome.logs)
    assert set(outcome.answers.values()) == {(0.75,)}


def test_a_phase_may_have_slugs_of_its_own(base, bench, model_dir):
    slugs = {"image": "thorax-ct", "points": "my-locations", "output": "my-output"}
    image_id = build(bench, base, algorithm("thorax-ct", "my-output"))
    code, outcome = outcome_of(bench, image_id, model_dir=model_dir, slugs=slugs)
    assert code is None, (outcome.note, outcome.logs)


def test_the_output_of_another_slug_is_missing(base, bench, model_dir):
    code, outcome = outcome_of(bench, build(bench, base, algorithm()), model_dir=model_dir, slugs={"output": "other"})
    assert code == "OUTPUT_MISSING"
    assert isinstance(outcome, ContainerFault)
    assert "other.json" in outcome.note


def test_a_service_finds_its_model_too(base, bench, model_dir):
    program = 'assert open("/opt/ml/model/weights.txt").read() == "0.75"'
    code, outcome = outcome_of(bench, build(bench, base, program), model_dir=model_dir, contract="http")
    assert code is None, (outcome.note, outcome.logs)


def test_each_ct_begins_with_the_folders_as_the_image_has_them(base, bench, model_dir):
    program = 'import os\nassert not os.path.exists("/opt/app/seen")\nopen("/opt/app/seen", "w")\n' + algorithm()
    code, outcome = outcome_of(bench, build(bench, base, program), model_dir=model_dir, cases=bench.cases(4))
    assert code is None, (outcome.note, outcome.logs)
    assert json.dumps(sorted(outcome.answers)) == json.dumps([f"hidden-{number}" for number in range(4)])


def test_cases_run_side_by_side_as_far_as_cpus_and_memory_allow(base, bench, model_dir):
    program = (
        'import time\nprint("begun", time.time(), flush=True)\ntime.sleep(5)\n'
        'open("/output/times", "w").write(str(time.time()))\n' + algorithm()
    )
    image_id = build(bench, base, program)
    cores = bench.engine.capacity()[0]
    most = {cores / 2: 0, float(cores): 0}
    for cpus in most:
        limits = replace(LIMITS, cpus=cpus, memory_mib=256)
        request = bench.request(image_id, limits=limits, contract="batch", model_dir=model_dir, cases=bench.cases(3))

        def count(cpus=cpus):
            names = bench.left_behind()
            most[cpus] = max(most[cpus], sum("-model-" in name for name in names))

        code, outcome, _ = bench.verdict(request, count)
        assert code is None, (outcome.note, outcome.logs)
        assert len(outcome.answers) == 3
        assert bench.left_behind() == []
    bench.drop()
    assert most == {cores / 2: 2, float(cores): 1}


@pytest.mark.parametrize(
    ("limits", "capacity", "expected"),
    [
        ({"cpus": 1, "memory_mib": 1024}, (8, 64 << 30), 8),
        ({"cpus": 2, "memory_mib": 1024}, (4, 64 << 30), 2),
        ({"cpus": 1, "memory_mib": 4096}, (8, 16 << 30), 2),
        ({"cpus": 1, "memory_mib": 64}, (64, 64 << 30), 16),
        ({"cpus": 4, "memory_mib": 4096}, (2, 1 << 30), 1),
        ({"cpus": 1, "memory_mib": 1024}, (0, 0), 1),
        ({"cpus": 1, "memory_mib": 1024, "gpu": True}, (8, 64 << 30), 1),
        ({"cpus": 1, "memory_mib": 1024, "gpu": True, "parallel": 2}, (8, 64 << 30), 2),
    ],
)
def test_no_more_at_once_than_the_machine_holds(limits, capacity, expected):
    class Machine:
        def capacity(self):
            return capacity

    assert lanes(Limits(**limits), Machine()) == expected


def test_several_runs_on_a_machine_share_it():
    class Machine:
        def capacity(self):
            return 8, 64 << 30

    assert lanes(Limits(cpus=1, memory_mib=1024), Machine(), runs_at_once=2) == 4
