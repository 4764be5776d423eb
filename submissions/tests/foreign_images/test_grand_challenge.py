"""Images of today's Grand Challenge: inputs.json with the sockets, a model apart from the image, slugs of the phase."""

import json

import pytest

from submissions.runner.base import ContainerFault
from submissions.tests.containers import HOSTILE
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
    folder.chmod(0o755)
    (folder / "weights.txt").write_text("0.75")
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
