"""The remedy for a DICOM file, done as it is told: it gives the whole scan and not the one slice that was sent."""

import locale
import re

import numpy as np
import pytest
import SimpleITK

from inference.ct.reading.errors import InvalidImageFile
from inference.ct.reading.metaimage import read_volume

SHAPE_ZYX, SPACING_XYZ_MM = (5, 12, 10), (0.5, 0.5, 2.5)


@pytest.fixture(autouse=True)
def kept_locale():
    """GDCM sets the process's locale to C, in which the next test could not read our own files."""
    before = locale.setlocale(locale.LC_ALL)
    yield
    locale.setlocale(locale.LC_ALL, before)


@pytest.fixture
def series(tmp_path):
    """A folder with the slices of one CT, stored as a scanner does: unsigned, with an intercept."""
    folder = tmp_path / "folder"
    folder.mkdir()
    stored = np.arange(np.prod(SHAPE_ZYX), dtype=np.int16).reshape(SHAPE_ZYX)
    series_uid, study_uid = "1.2.826.0.1.3680043.2.1125.1", "1.2.826.0.1.3680043.2.1125.2"
    for number, plane in enumerate(stored):
        image = SimpleITK.GetImageFromArray(plane[None])
        image.SetSpacing(SPACING_XYZ_MM)
        image.SetOrigin((0, 0, SPACING_XYZ_MM[2] * number))
        tags = {
            "0008|0060": "CT", "0020|000e": series_uid, "0020|000d": study_uid, "0020|0013": str(number),
            "0020|0032": f"0\\0\\{SPACING_XYZ_MM[2] * number}", "0020|0037": "1\\0\\0\\0\\1\\0",
            "0028|1052": "-1000", "0028|1053": "1",
        }  # fmt: skip
        for tag, value in tags.items():
            image.SetMetaData(tag, value)
        writer = SimpleITK.ImageFileWriter()
        writer.KeepOriginalImageUIDOn()
        writer.SetFileName(str(folder / f"{9 - number}.dcm"))
        writer.Execute(image)
    return folder


def test_the_command_in_the_sentence_converts_the_whole_series(series, monkeypatch):
    with pytest.raises(InvalidImageFile) as refusal:
        read_volume(series / "9.dcm")
    assert "a DICOM file" in refusal.value.note
    command = re.search(r"WriteImage\(.*\)", refusal.value.note)
    monkeypatch.chdir(series.parent)
    exec(command[0], vars(SimpleITK).copy())  # what the sentence tells a sender to run
    volume = read_volume(series.parent / "scan.mha")
    assert volume.hu.shape == SHAPE_ZYX
    assert np.allclose(volume.grid.spacing_xyz_mm, SPACING_XYZ_MM)
