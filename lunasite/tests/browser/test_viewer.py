"""The CT viewer in a real browser: scans as everyday tools write them, a click that says where, what is then sent."""

import math

import numpy as np
import pytest
import SimpleITK
from django.core.files.base import ContentFile
from django.core.files.storage import storages
from playwright.sync_api import expect

from submissions.models import Case
from submissions.tests.factories import make_dataset, make_member, make_phase

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def scan():
    """A small chest of air with one bright ball; spacing, origin and axes are none of the defaults."""
    values = np.full((20, 40, 50), -800, dtype=np.int16)
    z, y, x = np.ogrid[:20, :40, :50]
    values[(z - 12) ** 2 + (y - 25) ** 2 + (x - 30) ** 2 <= 16] = 60
    image = SimpleITK.GetImageFromArray(values)
    image.SetSpacing((0.8, 0.7, 2.5))
    image.SetOrigin((-120.5, -90.25, 33.0))
    turn = math.radians(10)
    image.SetDirection((math.cos(turn), -math.sin(turn), 0, math.sin(turn), math.cos(turn), 0, 0, 0, 1))
    return image


@pytest.fixture
def viewer_page(open_page):
    page = open_page(make_member())
    page.goto("/try")
    return page


def opened(page):
    page.wait_for_selector(".viewer-stage:not([hidden]) canvas")
    expect(page.locator(".viewer [role=status]")).to_contain_text("Click the middle")
    expect(page.locator(".viewer")).not_to_have_attribute("aria-busy", "true")


def sent_volume(page, tmp_path):
    """Return the file that the form would send, read by ITK."""
    data = page.evaluate("""async () => {
        const file = document.querySelector('#id_lesion-file').files[0];
        return [file.name, [...new Uint8Array(await file.arrayBuffer())]];
    }""")
    path = tmp_path / data[0]
    path.write_bytes(bytes(data[1]))
    return SimpleITK.ReadImage(str(path))


def same(one, other):
    assert one.GetSize() == other.GetSize()
    assert np.allclose(one.GetSpacing(), other.GetSpacing(), atol=1e-4)
    assert np.allclose(one.GetOrigin(), other.GetOrigin(), atol=1e-3)
    assert np.allclose(one.GetDirection(), other.GetDirection(), atol=1e-4)
    assert np.array_equal(SimpleITK.GetArrayFromImage(one), SimpleITK.GetArrayFromImage(other))


@pytest.mark.parametrize("name", ["scan.nii.gz", "scan.nii", "scan.nrrd", "scan.mha"])
def test_a_scan_of_another_format_is_shown_and_sent_as_mha_voxel_for_voxel(viewer_page, scan, tmp_path, name):
    SimpleITK.WriteImage(scan, str(tmp_path / name), useCompression=name.endswith(("gz", "nrrd", "mha")))
    viewer_page.set_input_files("#id_lesion-file", str(tmp_path / name))
    opened(viewer_page)
    (tmp_path / "sent").mkdir()
    same(sent_volume(viewer_page, tmp_path / "sent"), scan)


def test_a_click_fills_in_the_coordinates_itk_would_give(viewer_page, scan, tmp_path):
    SimpleITK.WriteImage(scan, str(tmp_path / "scan.nii.gz"))
    viewer_page.set_input_files("#id_lesion-file", str(tmp_path / "scan.nii.gz"))
    opened(viewer_page)
    viewer_page.get_by_role("button", name="Axial").click()
    viewer_page.locator(".viewer canvas").click()
    expect(viewer_page.locator("#id_lesion-x")).not_to_have_value("")
    point = [float(viewer_page.input_value(f"#id_lesion-{axis}")) for axis in "xyz"]
    middle = scan.TransformContinuousIndexToPhysicalPoint([(size - 1) / 2 for size in scan.GetSize()])
    assert np.allclose(point, middle, atol=1.5), (point, middle)


def test_keys_windows_and_planes_work_without_a_mouse(viewer_page, scan, tmp_path):
    SimpleITK.WriteImage(scan, str(tmp_path / "scan.mha"))
    viewer_page.set_input_files("#id_lesion-file", str(tmp_path / "scan.mha"))
    opened(viewer_page)
    viewer_page.focus(".viewer canvas")
    viewer_page.keyboard.press("ArrowRight")
    before = viewer_page.inner_text(".viewer-where")
    viewer_page.keyboard.press("PageUp")
    after = viewer_page.inner_text(".viewer-where")
    assert before != after
    assert "HU" in after
    for name in ("Mediastinum", "Bone", "Lung", "Coronal", "Sagittal", "Three planes"):
        button = viewer_page.get_by_role("button", name=name, exact=True)
        button.click()
        assert button.get_attribute("aria-pressed") == "true"
    assert viewer_page.get_by_label("Window level in HU").input_value() == "-600"


def test_a_dicom_folder_becomes_the_volume_itk_reads(viewer_page, scan, tmp_path):
    folder = write_dicom(scan, tmp_path / "dicom")
    (folder / "DICOMDIR").write_bytes(b"not an image")
    viewer_page.set_input_files("input[webkitdirectory]", str(folder))
    opened(viewer_page)
    reader = SimpleITK.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(folder)))
    wanted = reader.Execute()
    same(sent_volume(viewer_page, tmp_path), SimpleITK.Cast(wanted, SimpleITK.sitkInt16))


def test_a_dicom_folder_of_a_tilted_gantry_is_not_made_straight(viewer_page, scan, tmp_path):
    viewer_page.set_input_files("input[webkitdirectory]", str(write_dicom(scan, tmp_path / "dicom", sideways_mm=0.4)))
    viewer_page.get_by_text("convert the folder with dcm2niix").wait_for()
    assert viewer_page.evaluate("() => document.querySelector('#id_lesion-file').files.length") == 0


def test_metal_beyond_16_bits_stays_the_densest(viewer_page, scan, tmp_path):
    """SimpleITK writes no more than 16 bits: with twice the rescale slope the ball has 64,000 HU."""
    values = SimpleITK.GetArrayFromImage(scan)
    values[values > 0] = 32_000
    metal = SimpleITK.GetImageFromArray(values)
    metal.CopyInformation(scan)
    folder = write_dicom(metal, tmp_path / "dicom", slope=16)
    for path in folder.iterdir():
        written, doubled = (b"\x28\x00\x53\x10\x02\x00\x00\x00" + slope for slope in (b"16", b"32"))
        assert written in path.read_bytes()
        path.write_bytes(path.read_bytes().replace(written, doubled))
    viewer_page.set_input_files("input[webkitdirectory]", str(folder))
    opened(viewer_page)
    sent = SimpleITK.GetArrayFromImage(sent_volume(viewer_page, tmp_path))
    assert np.array_equal(sent, np.clip(values.astype(int) * 2, -32768, 32767))


def write_dicom(scan, folder, sideways_mm=0.0, slope=1):
    """Write a series of slices with GDCM, as SimpleITK's own example of a series does.

    sideways_mm: how far each slice lies from the one before along its columns, as with a tilted gantry.
    """
    folder.mkdir()
    writer = SimpleITK.ImageFileWriter()
    writer.KeepOriginalImageUIDOn()
    direction = scan.GetDirection()
    common = {
        "0008|0060": "CT", "0020|000e": "1.2.826.0.1.3680043.2.1125.1", "0020|000d": "1.2.826.0.1.3680043.2.1125.2",
        "0020|0037": "\\".join(f"{direction[i]:.10g}" for i in (0, 3, 6, 1, 4, 7)), "0028|1052": "0",
        "0028|1053": str(slope),
    }  # fmt: skip
    for number in range(scan.GetDepth()):
        piece = scan[:, :, number]
        for key, value in common.items():
            piece.SetMetaData(key, value)
        sideways = sideways_mm * number / scan.GetSpacing()[1]
        position = scan.TransformContinuousIndexToPhysicalPoint((0.0, sideways, float(number)))
        piece.SetMetaData("0020|0032", "\\".join(f"{value:.10g}" for value in position))
        piece.SetMetaData("0020|0013", str(number + 1))
        piece.SetMetaData("0008|0018", f"1.2.826.0.1.3680043.2.1125.3.{number + 1}")
        writer.SetFileName(str(folder / f"slice{(number * 7) % scan.GetDepth():03d}.dcm"))
        writer.Execute(piece)
    return folder


def test_a_file_that_is_no_scan_is_named_and_can_still_be_sent(viewer_page, tmp_path):
    (tmp_path / "broken.nrrd").write_bytes(b"nothing")
    viewer_page.set_input_files("#id_lesion-file", str(tmp_path / "broken.nrrd"))
    viewer_page.get_by_text("The scan cannot be shown here").wait_for()


def test_a_folder_that_holds_no_scan_leaves_nothing_to_send(viewer_page, tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "note.txt").write_text("nothing")
    viewer_page.set_input_files("input[webkitdirectory]", str(tmp_path / "folder"))
    expect(viewer_page.locator(".viewer [role=status]")).to_contain_text("no CT series of two or more slices")
    expect(viewer_page.locator(".viewer [role=status]")).not_to_contain_text("send it")


def test_a_scan_that_is_converted_late_does_not_replace_the_one_chosen_since(viewer_page, scan, tmp_path):
    SimpleITK.WriteImage(scan, str(tmp_path / "first.nii"))
    SimpleITK.WriteImage(scan, str(tmp_path / "second.mha"))
    viewer_page.evaluate("""() => {
        const { blob } = Response.prototype;
        const may = new Promise((resolve) => { window.release = resolve; });
        window.converted = new Promise((resolve) => {
            Response.prototype.blob = async function () {
                await may;
                setTimeout(resolve, 50);
                return blob.call(this);
            };
        });
    }""")
    viewer_page.set_input_files("#id_lesion-file", str(tmp_path / "first.nii"))
    viewer_page.wait_for_selector(".viewer-stage:not([hidden]) canvas")
    expect(viewer_page.locator(".viewer [role=status]")).to_contain_text("Click the middle")
    viewer_page.set_input_files("#id_lesion-file", str(tmp_path / "second.mha"))
    opened(viewer_page)
    viewer_page.evaluate("() => { window.release(); return window.converted; }")
    assert viewer_page.evaluate("() => document.querySelector('#id_lesion-file').files[0].name") == "second.mha"


@pytest.mark.parametrize("name", ["broken.mha", "header.mhd"])
def test_a_scan_is_not_shown_for_another_file(viewer_page, scan, tmp_path, name):
    """A click on it would fill in a place of the scan before."""
    SimpleITK.WriteImage(scan, str(tmp_path / "scan.mha"))
    (tmp_path / name).write_bytes(b"ObjectType = Image\n")
    viewer_page.set_input_files("#id_lesion-file", str(tmp_path / "scan.mha"))
    opened(viewer_page)
    viewer_page.set_input_files("#id_lesion-file", str(tmp_path / name))
    expect(viewer_page.locator(".viewer-stage")).to_be_hidden()
    viewer_page.set_input_files("#id_lesion-file", str(tmp_path / "scan.mha"))
    opened(viewer_page)
    viewer_page.locator(".viewer canvas").click()
    expect(viewer_page.locator("#id_lesion-x")).not_to_have_value("")


def test_of_two_scans_chosen_at_once_the_last_is_shown(viewer_page, scan, tmp_path):
    SimpleITK.WriteImage(scan, str(tmp_path / "first.nii"))
    SimpleITK.WriteImage(SimpleITK.Add(scan, 500), str(tmp_path / "second.nii"))
    viewer_page.set_input_files("#id_lesion-file", str(tmp_path / "first.nii"))
    viewer_page.set_input_files("#id_lesion-file", str(tmp_path / "second.nii"))
    opened(viewer_page)
    same(sent_volume(viewer_page, tmp_path), SimpleITK.Add(scan, 500))


def test_after_an_answer_the_same_scan_can_be_clicked_again(viewer_page, scan, tmp_path):
    """A refusal, or an answer, takes the place of the form that was sent."""
    SimpleITK.WriteImage(scan, str(tmp_path / "scan.mha"))
    viewer_page.set_input_files("#id_lesion-file", str(tmp_path / "scan.mha"))
    opened(viewer_page)
    for axis in "xyz":
        viewer_page.fill(f"#id_lesion-{axis}", "left")
    viewer_page.get_by_role("button", name="Predict malignancy").click()
    viewer_page.get_by_text("Enter a decimal number in millimetres").first.wait_for()
    opened(viewer_page)
    viewer_page.locator(".viewer canvas").click()
    expect(viewer_page.locator("#id_lesion-x")).not_to_have_value("left")


def test_no_part_of_the_viewer_is_loaded_before_a_scan_is_opened(open_page):
    page = open_page(make_member())
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto("/try")
    assert not [url for url in asked if "niivue" in url or "daikon" in url]


def sample_page(open_page, image, tmp_path, point):
    """Open the page of a sample case whose image this is."""
    SimpleITK.WriteImage(image, str(tmp_path / "scan.mha"), useCompression=True)
    dataset = make_dataset(truth=[0, 1, 0], splits=["public", "private", "sample"])
    key = storages["datasets"].save(f"{dataset.name}/v1/a.mha", ContentFile((tmp_path / "scan.mha").read_bytes()))
    Case.objects.filter(dataset=dataset).update(image=key, facts={"point_xyz_mm": point})
    phase = make_phase(dataset)
    page = open_page()
    page.goto(f"/phases/{phase.slug}/cases/case2/look/")
    return page


def test_the_viewer_of_a_sample_case_opens_at_the_lesion(open_page, scan, tmp_path):
    point = list(scan.TransformIndexToPhysicalPoint((30, 25, 12)))
    page = sample_page(open_page, scan, tmp_path, point)
    page.get_by_role("button", name="Open the viewer").click()
    expect(page.locator(".viewer [role=status]")).to_contain_text("Click to move")
    expect(page.locator(".viewer-where")).to_contain_text("60 HU")


def test_without_a_graphics_card_a_large_scan_keeps_its_slices_and_the_page_says_so(open_page, tmp_path):
    page = sample_page(open_page, SimpleITK.Image(128, 128, 70, SimpleITK.sitkInt16), tmp_path, [60.0, 60.0, 30.0])
    expect(page.locator(".viewer [role=status]")).to_contain_text("without a graphics card")
    assert page.get_by_role("button", name="Open the viewer").count() == 0
    page.get_by_role("link", name="Next", exact=True).click()
    expect(page.get_by_role("heading", name="Axial slice 32 of 70")).to_be_visible()
