"""Cases to look at: who may see which, and slices as SimpleITK reads them."""

import fcntl
import io

import numpy as np
import pytest
import SimpleITK
from django.core.files.base import ContentFile
from django.core.files.storage import storages
from django.urls import reverse
from PIL import Image

from inference.ct.planes import WINDOWS, grey
from lunasite.cases import volume_cache
from lunasite.tests.http.test_dear_pages import limit
from submissions.models import Case
from submissions.tests.factories import make_dataset, make_member, make_phase, make_staff

pytestmark = pytest.mark.django_db
TRUTH, SPLITS = [0, 1, 0, 1], ["public", "private", "sample", "sample"]


@pytest.fixture
def scan():
    values = np.random.default_rng(3).integers(-1024, 2000, (6, 9, 11)).astype(np.int16)
    image = SimpleITK.GetImageFromArray(values)
    image.SetSpacing((0.7, 0.8, 2.5))
    image.SetOrigin((-3.0, 5.0, 100.0))
    return SimpleITK.DICOMOrient(image, "RAI")


@pytest.fixture(params=[False, True], ids=["raw", "zlib"])
def phase(request, scan, settings, tmp_path):
    """A competition over a hidden and a sample case, each with the scan as its image."""
    settings.DATA_DIR = tmp_path
    path = tmp_path / "scan.mha"
    SimpleITK.WriteImage(scan, str(path), useCompression=request.param)
    dataset = make_dataset(truth=TRUTH, splits=SPLITS)
    key = storages["datasets"].save(f"{dataset.name}/v1/{request.param}.mha", ContentFile(path.read_bytes()))
    point = list(scan.TransformIndexToPhysicalPoint((4, 3, 2)))
    Case.objects.filter(dataset=dataset).update(image=key, facts={"point_xyz_mm": point})
    return make_phase(dataset, slug="p")


def at(name, case, query=""):
    return reverse(name, args=["p", case]) + query


@pytest.mark.parametrize("name", ["case_page", "case_slice", "case_volume"])
@pytest.mark.parametrize(
    ("who", "sample", "hidden"),
    [("nobody", 200, 404), ("member", 200, 404), ("elsewhere", 200, 404), ("organiser", 200, 200)],
)
def test_sample_cases_are_everybodys_and_hidden_ones_the_organisers(client, phase, name, who, sample, hidden):
    if who == "member":
        client.force_login(make_member())
    elif who != "nobody":
        client.force_login(make_staff("organiser", *([phase] if who == "organiser" else [])))
    assert client.get(at(name, "case2")).status_code == sample
    assert [client.get(at(name, case)).status_code for case in ("case0", "case1")] == [hidden] * 2
    assert client.get(at(name, "case77")).status_code == 404


def test_a_hidden_phase_hides_its_sample_cases_too(client, phase):
    type(phase).objects.update(is_hidden=True)
    assert client.get(at("case_slice", "case2")).status_code == 404


def test_only_a_sample_case_tells_its_truth(client, phase):
    client.force_login(make_staff("organiser", phase))
    assert "Truth" in client.get(at("case_page", "case2")).content.decode()
    assert "Truth" not in client.get(at("case_page", "case1")).content.decode()


@pytest.mark.parametrize("plane", ["axial", "coronal", "sagittal"])
def test_a_slice_is_voxel_for_voxel_what_itk_reads(client, phase, scan, plane):
    standing = SimpleITK.GetArrayFromImage(SimpleITK.DICOMOrient(scan, "LPS"))
    wanted = {"axial": standing[2], "coronal": standing[::-1, 2], "sagittal": standing[::-1, :, 2]}[plane]
    for _ in range(2):  # decoded now, and from the cache
        answer = client.get(at("case_slice", "case2", f"?plane={plane}&index=2&window=bone"))
        assert np.array_equal(np.asarray(Image.open(io.BytesIO(answer.content))), grey(wanted, *WINDOWS["bone"]))
    assert (
        client.get(
            at("case_slice", "case2", f"?plane={plane}&index=2&window=bone"), headers={"If-None-Match": answer["ETag"]}
        ).status_code
        == 304
    )


def test_without_an_index_the_slice_is_the_one_through_the_lesion(client, phase, scan):
    turned = SimpleITK.DICOMOrient(scan, "LPS")
    point = scan.TransformIndexToPhysicalPoint((4, 3, 2))
    index = turned.TransformPhysicalPointToIndex(point)[2]
    page = client.get(at("case_page", "case2"))
    assert page.context["look"].index == index
    assert len(page.context["crosses"]) == 1
    assert (
        client.get(at("case_slice", "case2")).content
        == client.get(at("case_slice", "case2", f"?index={index}")).content
    )


@pytest.mark.parametrize(
    "query",
    [
        "?plane=oblique&index=-1",
        "?index=99999",
        "?index=٣",
        "?window=own&level=nan&width=0",
        "?window=own&level=1e99&width=-5",
    ],
)
def test_an_address_that_makes_no_sense_shows_what_is_usual(client, phase, query):
    assert client.get(at("case_page", "case2", query)).status_code == 200
    assert client.get(at("case_slice", "case2", query)).status_code == 200


def test_the_volume_for_the_viewer_has_the_voxels_and_no_word_of_the_patient(client, phase, scan, tmp_path):
    sent = tmp_path / "sent.mha"
    sent.write_bytes(b"".join(client.get(at("case_volume", "case2")).streaming_content))
    read = SimpleITK.ReadImage(str(sent))
    assert np.array_equal(SimpleITK.GetArrayFromImage(read), SimpleITK.GetArrayFromImage(scan))
    assert read.GetOrigin() == pytest.approx(scan.GetOrigin())


def test_each_download_of_a_volume_counts_as_dear_work(client, phase, monkeypatch):
    limit(monkeypatch, "dear")
    assert [client.get(at("case_volume", "case2")).status_code for _ in range(2)] == [200, 429]


def test_a_missing_image_is_said_and_breaks_nothing(client, phase):
    Case.objects.update(image="gone/v1/x.mha")
    assert client.get(at("case_page", "case2")).status_code == 503
    assert client.get(at("case_slice", "case2")).status_code == 503


def test_decoded_volumes_stay_within_their_room(phase, monkeypatch, tmp_path):
    """The volume used longest ago goes; the one that is opened stays."""
    folder = volume_cache.folder()
    keys = [Case.objects.first().image]
    for number in range(2):
        keys.append(storages["datasets"].save(f"other/v1/{number}.mha", storages["datasets"].open(keys[0])))
    if volume_cache.mapped_volume(keys[0]).voxels.filename.suffix == ".mha":
        return  # mapped where it lies: nothing is kept
    monkeypatch.setattr(volume_cache, "MAX_BYTES", 2 * 6 * 9 * 11 * 2 + 600)
    for key in keys[1:]:
        volume_cache.mapped_volume(key)
    assert len(list(folder.glob("*.npy"))) == 2


def test_a_full_disk_drops_volumes_before_it_shows_none(phase, monkeypatch):
    monkeypatch.setattr(volume_cache, "_is_short_of", lambda size: len(list(folder.glob("*.npy"))) >= 1)
    folder = volume_cache.folder()
    (folder / "old.npz").write_bytes(b"x")
    (folder / "old.npy").write_bytes(b"x")
    volume_cache._make_room(100)
    assert not list(folder.glob("old.*"))


def test_few_volumes_are_decoded_at_once(client, phase, monkeypatch):
    """Whoever asks for one more is answered at once, and a volume that is decoded already is shown."""
    monkeypatch.setattr(volume_cache, "MAX_AT_ONCE", 1)
    if volume_cache.mapped_volume(Case.objects.first().image).voxels.filename.suffix == ".mha":
        return  # mapped where it lies: nothing is decoded
    other = storages["datasets"].save("other/v1/x.mha", storages["datasets"].open(Case.objects.first().image))
    Case.objects.filter(public_id="case3").update(image=other)
    with (volume_cache.folder() / "slot0.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert client.get(at("case_slice", "case3")).status_code == 503
        assert client.get(at("case_slice", "case2")).status_code == 200
    assert client.get(at("case_slice", "case3")).status_code == 200


@pytest.mark.slow
def test_a_picture_is_sent_through_a_window_of_its_grey_levels(client):
    image = Image.new("L", (64, 64))
    for number, grey_level in enumerate((40, 100, 150, 220)):
        image.paste(grey_level, (16 * number, 0, 16 * number + 16, 64))
    file = io.BytesIO()
    image.save(file, "PNG")
    dataset = make_dataset(truth=[0, 1], splits=["public", "sample"], kind="slice")
    key = storages["datasets"].save("levels.png", ContentFile(file.getvalue()))
    Case.objects.filter(dataset=dataset).update(image=key, facts={})
    make_phase(dataset, slug="pictures")

    def levels(query):
        answer = client.get(f"/phases/pictures/cases/case1/slice.png{query}")
        sent = Image.open(io.BytesIO(answer.content)).convert("L")
        return answer["ETag"], [sent.getpixel((16 * number + 8, 32)) for number in range(4)]

    assert levels("")[1] == levels("?window=as%20sent")[1] == [40, 100, 150, 220]
    assert levels("?window=bone")[1] == [0, 0, 22, 177]  # 140 to 255 are spread over all
    assert len({levels(query)[0] for query in ("", "?window=lung", "?window=bone")}) == 3
    page = client.get("/phases/pictures/cases/case1/look/?window=bone&zoom=2").content.decode()
    assert 'src="/phases/pictures/cases/case1/slice.png?window=bone"' in page
    assert 'class="zoom-2"' in page
