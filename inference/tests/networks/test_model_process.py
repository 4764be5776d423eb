"""The model process: right answers, death on time, life afterwards (rows M20, M21, F23; threats T38, T40, T53)."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from inference.ct.geometry import PointOutsideScan
from inference.ct.phantom import make_phantom
from inference.ct.reading.errors import InvalidImageFile
from inference.ct.writing import write_mha
from inference.networks.answers import ModelUnavailable, ServiceBusy, TimedOut
from inference.networks.model.predictor import load_lesion_predictor, load_slice_predictor
from inference.networks.service import model_service
from inference.networks.worker.jobs import grey_statistics
from inference.networks.worker.loading import load_jobs
from inference.networks.worker.local import LocalService
from inference.networks.worker.process import CHILD_ENVIRONMENT
from inference.slice_classes import SLICE_CLASSES
from inference.tests.metaimages import mha, saved
from inference.tests.network_samples import chest_picture
from inference.tests.trial_models import config_in, save_trial_models

pytestmark = pytest.mark.slow  # each starts processes that load torch

TIMEOUT_S = 90.0


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    save_trial_models(folder)
    return folder


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    """A phantom scan with its nodules' points, and a picture."""
    folder = tmp_path_factory.mktemp("inputs")
    phantom = make_phantom(1, shape_zyx=(20, 60, 80), spacing_xyz_mm=(4, 4, 2.5))
    write_mha(phantom.volume, folder / "scan.mha")
    grey = np.random.default_rng(0).integers(0, 256, (90, 120), dtype=np.uint8)
    Image.fromarray(grey).save(folder / "slice.png")
    os.mkfifo(folder / "hang")
    return {
        "volume": phantom.volume,
        "points": [nodule.point_xyz_mm for nodule in phantom.nodules],
        "grey": grey,
        "scan": folder / "scan.mha",
        "slice": folder / "slice.png",
        "hang": folder / "hang",
    }


@pytest.fixture(scope="module")
def service(folder):
    service = LocalService(config_in(folder))
    yield service
    service.close()


@pytest.fixture(scope="module")
def cleaner(folder):
    """A service without models: its process comes back within half a second."""
    service = LocalService(config_in(folder, load_model=False))
    yield service
    service.close()


def ready(service: LocalService) -> int:
    """Wait until the process is warm and return its pid."""
    service.start()
    deadline = time.monotonic() + TIMEOUT_S
    while not service.process.is_ready:
        assert time.monotonic() < deadline, "the model process does not come up"
        time.sleep(0.02)
    pid = service.process.pid
    assert pid is not None
    return pid


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def ends_soon(pid: int) -> bool:
    deadline = time.monotonic() + 30
    while is_alive(pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    return not is_alive(pid)


def test_lesions_get_what_the_predictor_says(service, folder, inputs):
    answer = service.lesion_probability(inputs["scan"], None, inputs["points"], TIMEOUT_S)
    model = load_lesion_predictor(folder / "lesion.json", folder / "lesion.safetensors")
    alone = model.probabilities(inputs["points"], inputs["volume"])
    assert answer.probabilities == pytest.approx(alone, abs=1e-6)
    assert answer.model_version == model.version
    assert answer.statistics["size_z"] == 20
    assert answer.statistics["spacing_z_mm"] == 2.5
    assert -1024 <= answer.statistics["hu_min"] < answer.statistics["hu_max"]


def test_a_point_outside_the_scan_is_named_and_changes_no_other(service, inputs):
    first, second = inputs["points"][:2]
    alone = service.lesion_probability(inputs["scan"], None, [first, second], TIMEOUT_S)
    answer = service.lesion_probability(inputs["scan"], None, [(0, 0, 1e4), first, (0, 1e4, 0), second], TIMEOUT_S)
    assert alone.outside == []
    assert answer.outside == [0, 2]
    assert answer.probabilities == pytest.approx(alone.probabilities, abs=1e-6)


def test_centimetres_are_named_before_the_point_is_blamed(service, inputs, tmp_path):
    path = saved(tmp_path, mha(ElementSpacing="0.07 0.07 0.25"))
    for point in ((5.0, 5.0, 5.0), (-10.4, 20.1, -30.0)):  # outside the scan, and inside
        with pytest.raises(InvalidImageFile, match="write ElementSpacing and Offset in millimetres"):
            service.lesion_probability(str(path), None, [point], TIMEOUT_S)


def test_an_inverted_slice_is_warned_of(service, tmp_path):
    for name, grey in (("slice.png", chest_picture()), ("inverted.png", 255 - chest_picture())):
        Image.fromarray(grey).save(tmp_path / name)
        answer = service.slice_probabilities(str(tmp_path / name), TIMEOUT_S)
        assert ("INVERTED" in answer.warnings) is (name == "inverted.png")


def test_a_transparent_slice_is_not_called_blank(service, tmp_path):
    """As a program saves whose buffer holds no alpha: the slice is there, and everybody sees nothing of it."""
    image = Image.fromarray(chest_picture()).convert("RGBA")
    for alpha, path in ((0, tmp_path / "unseen.png"), (255, tmp_path / "seen.png")):
        image.putalpha(alpha)
        image.save(path)
    with pytest.raises(InvalidImageFile, match="save it without its alpha channel"):
        service.slice_probabilities(str(tmp_path / "unseen.png"), TIMEOUT_S)
    assert service.slice_probabilities(str(tmp_path / "seen.png"), TIMEOUT_S).pred_class in SLICE_CLASSES


def test_slices_get_what_the_predictor_says(service, folder, inputs):
    answer = service.slice_probabilities(inputs["slice"], TIMEOUT_S)
    model = load_slice_predictor(folder / "slice.json", folder / "slice.safetensors")
    [row] = model.probabilities([inputs["grey"]])
    assert list(answer.probabilities) == list(SLICE_CLASSES)
    assert list(answer.probabilities.values()) == pytest.approx(row, abs=1e-6)
    assert answer.pred_class == SLICE_CLASSES[int(np.argmax(row))]
    assert answer.confidence == max(answer.probabilities.values())


def test_the_statistics_are_those_of_the_picture_as_sent(service, inputs):
    grey = inputs["grey"].astype(float)
    statistics = service.slice_probabilities(inputs["slice"], TIMEOUT_S).statistics
    assert (statistics.height, statistics.width) == (90, 120)
    assert statistics.mean == pytest.approx(grey.mean())
    assert statistics.std == pytest.approx(grey.std())
    assert (statistics.p01, statistics.p50, statistics.p99) == tuple(np.percentile(grey, (1, 50, 99)))
    assert statistics == grey_statistics(inputs["grey"])


def png_size(content: bytes) -> tuple[int, int]:
    assert content.startswith(b"\x89PNG")
    return int.from_bytes(content[16:20]), int.from_bytes(content[20:24])


def test_views_are_square_pictures(service, inputs):
    views = service.lesion_views(inputs["scan"], None, inputs["points"][0], TIMEOUT_S)
    sizes = {png_size(picture) for picture in (views.axial, views.coronal, views.sagittal)}
    assert len(sizes) == 1
    assert views.field_mm > 50
    assert len(views.answer.probabilities) == 1


def test_an_explanation_lies_over_its_picture(service, inputs):
    explanation = service.slice_explanation(inputs["slice"], TIMEOUT_S)
    assert png_size(explanation.picture) == png_size(explanation.overlay) == (120, 90)
    drops = np.array(explanation.drops)
    assert drops.shape == (8, 8)
    assert 0 <= drops.min() <= drops.max() <= 1


def test_errors_of_the_input_arrive_as_such(service, inputs):
    with pytest.raises(InvalidImageFile) as refusal:
        service.lesion_probability(inputs["slice"], None, inputs["points"], TIMEOUT_S)
    assert refusal.value.code == "HEADER_FORMAT"
    with pytest.raises(InvalidImageFile) as refusal:
        service.slice_probabilities(inputs["scan"], TIMEOUT_S)
    assert refusal.value.code == "IMAGE_FORMAT"
    with pytest.raises(PointOutsideScan):
        service.lesion_probability(inputs["scan"], None, [(0, 0, 1e4)], TIMEOUT_S)


def test_a_late_answer_is_a_dead_process_and_a_warm_one_soon(service, inputs):
    pid = ready(service)
    began = time.monotonic()
    with pytest.raises(TimedOut):
        service.lesion_probability(inputs["hang"], None, inputs["points"], 0.4)
    assert time.monotonic() - began < 5
    assert not is_alive(pid)
    assert ready(service) != pid
    assert service.slice_probabilities(inputs["slice"], TIMEOUT_S).confidence > 0


def test_a_process_that_died_in_its_sleep_is_not_noticed_by_the_next_caller(cleaner, inputs):
    pid = ready(cleaner)
    os.kill(pid, signal.SIGKILL)
    time.sleep(0.1)
    assert cleaner.clean_picture(inputs["slice"], TIMEOUT_S).statistics.width == 120


def test_asking_for_the_status_wakes_a_dead_process(folder):
    service = LocalService(config_in(folder, model_path=folder / "none", config_path=folder / "none"))
    first = ready(service)
    os.kill(first, signal.SIGKILL)
    while service.process.is_ready:  # the last of its threads may take a moment
        time.sleep(0.01)
    assert [model.state for model in service.status().models] == ["starting", "starting"]
    assert ready(service) != first
    service.close()


@pytest.mark.parametrize(("number", "error"), [(signal.SIGKILL, ServiceBusy), (signal.SIGSEGV, InvalidImageFile)])
def test_a_process_that_dies_at_work_answers_its_caller(cleaner, inputs, number, error):
    pid = ready(cleaner)
    threading.Timer(0.3, os.kill, (pid, number)).start()
    began = time.monotonic()
    with pytest.raises(error) as refusal:
        cleaner.clean_picture(inputs["hang"], TIMEOUT_S)
    assert time.monotonic() - began < 3
    if error is InvalidImageFile:
        assert refusal.value.code == "IMAGE_UNREADABLE"
    assert cleaner.clean_picture(inputs["slice"], TIMEOUT_S).statistics.width == 120


def test_the_queue_is_bounded_and_says_when_to_come_back(folder, inputs):
    service = LocalService(config_in(folder, load_model=False, max_waiting=1))
    ready(service)
    outcomes: list[type] = []

    def ask():
        try:
            service.clean_picture(inputs["hang"], 1.5)
        except (ServiceBusy, TimedOut) as error:
            outcomes.append(type(error))

    first = threading.Thread(target=ask)
    second = threading.Thread(target=ask)
    first.start()
    time.sleep(0.2)
    second.start()
    time.sleep(0.2)
    began = time.monotonic()
    with pytest.raises(ServiceBusy) as refusal:
        service.clean_picture(inputs["slice"], TIMEOUT_S)
    assert time.monotonic() - began < 1
    assert refusal.value.retry_after_s >= 1
    first.join()
    second.join()
    service.close()
    assert TimedOut in outcomes


def test_twenty_at_once_are_answered_or_sent_away(service, inputs):
    outcomes: list[str] = []

    def ask():
        try:
            service.lesion_probability(inputs["scan"], None, inputs["points"], TIMEOUT_S)
            outcomes.append("answered")
        except ServiceBusy:
            outcomes.append("busy")

    threads = [threading.Thread(target=ask) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(TIMEOUT_S)
    assert len(outcomes) == 20
    assert outcomes.count("answered") >= 17


def test_the_process_holds_no_secret_and_is_bounded(service, monkeypatch):
    monkeypatch.setenv("SECRET_KEY", "must-not-leak")
    pid = ready(service)
    names = {
        entry.partition(b"=")[0].decode() for entry in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0") if entry
    }
    assert names == set(CHILD_ENVIRONMENT)
    limits = Path(f"/proc/{pid}/limits").read_text()
    assert f"Max address space         {service._config.memory_bytes}" in limits
    assert "Max core file size        0 " in limits
    assert "NoNewPrivs:\t1" in Path(f"/proc/{pid}/status").read_text()
    descriptors = [os.readlink(entry) for entry in Path(f"/proc/{pid}/fd").iterdir()]
    assert not [target for target in descriptors if "sqlite" in target]


def test_memory_and_descriptors_stay_flat(service, inputs):
    pid = ready(service)

    def use(count):
        for _ in range(count):
            service.lesion_probability(inputs["scan"], None, inputs["points"], TIMEOUT_S)
            service.slice_probabilities(inputs["slice"], TIMEOUT_S)
            with pytest.raises(InvalidImageFile):
                service.lesion_probability(inputs["slice"], None, inputs["points"], TIMEOUT_S)

    def resident_kib():
        return int(Path(f"/proc/{pid}/status").read_text().partition("VmRSS:")[2].split()[0])

    use(30)
    before, open_before = resident_kib(), len(os.listdir(f"/proc/{pid}/fd"))
    use(60)
    assert resident_kib() - before < 20_000
    assert len(os.listdir(f"/proc/{pid}/fd")) == open_before
    assert service.process.pid == pid


@pytest.mark.parametrize(
    ("state", "spoil"),
    [
        ("missing", lambda folder: (folder / "lesion.safetensors").unlink()),
        ("missing", lambda folder: (folder / "lesion.json").unlink()),
        ("damaged", lambda folder: (folder / "lesion.safetensors").write_bytes(b"\x80\x04cos\nsystem\n.")),
        ("damaged", lambda folder: (folder / "lesion.json").write_text("{}")),
    ],
    ids=["no weights", "no config", "a pickle", "empty config"],
)
def test_a_model_that_cannot_be_loaded_says_why(tmp_path, state, spoil):
    config = save_trial_models(tmp_path)
    spoil(tmp_path)
    jobs, [lesion, _] = load_jobs(lesion=config.lesion_paths, slices=(tmp_path / "none", tmp_path / "none"))
    assert lesion.state == state
    assert jobs.lesion is None


def test_a_missing_model_takes_nothing_else_with_it(folder, inputs):
    service = LocalService(config_in(folder, model_path=folder / "none"))
    ready(service)
    assert {model.name: model.state for model in service.status().models} == {"lesion": "loaded", "slice": "missing"}
    with pytest.raises(ModelUnavailable):
        service.slice_probabilities(inputs["slice"], TIMEOUT_S)
    assert service.lesion_probability(inputs["scan"], None, inputs["points"], TIMEOUT_S).probabilities
    service.close()


def test_without_models_pictures_are_cleaned_and_torch_stays_away(folder, inputs):
    service = LocalService(config_in(folder, load_model=False))
    assert png_size(service.clean_picture(inputs["slice"], TIMEOUT_S).png) == (120, 90)
    assert "torch" not in Path(f"/proc/{ready(service)}/maps").read_text()
    assert [model.state for model in service.status().models] == ["off", "off"]
    with pytest.raises(ModelUnavailable):
        service.slice_probabilities(inputs["slice"], TIMEOUT_S)
    pid = service.process.pid
    service.close()
    assert ends_soon(pid)


def test_a_process_that_cannot_start_is_unavailable_and_no_crash_loop(folder, inputs):
    service = LocalService(config_in(folder, memory_bytes=20_000_000))
    for _ in range(3):
        with pytest.raises(ModelUnavailable):
            service.slice_probabilities(inputs["slice"], TIMEOUT_S)
    assert service.process.pid is None
    assert {model.state for model in service.status().models} == {"failed"}
    service.close()


PARENT = """
import os, sys, time
from inference.networks.service import ServiceConfig, model_service
service = model_service(ServiceConfig(load_model=False))
service.start()
while not service.process.is_ready: time.sleep(0.02)
assert not {"torch", "django", "SimpleITK"} & set(sys.modules), "a web process must not pay for these"
print(service.process.pid, flush=True)
os._exit(0)
"""


def test_the_process_ends_with_its_web_worker():
    done = subprocess.run([sys.executable, "-c", PARENT], capture_output=True, text=True, timeout=TIMEOUT_S, check=True)
    assert ends_soon(int(done.stdout))


def test_each_web_process_has_one_service(folder):
    config = config_in(folder, load_model=False)
    service = model_service(config)
    assert model_service(config_in(folder, load_model=False)) is service
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(write, b"same" if model_service(config) is service else b"own")
        os._exit(0)
    os.waitpid(child, 0)
    assert os.read(read, 10) == b"own"
    os.close(read)
    os.close(write)
