"""Server-made slices against SimpleITK: the same voxels in radiological view, whatever way the scan is stored."""

import io

import numpy as np
import pytest
import SimpleITK
from PIL import Image

from inference.ct.planes import WINDOWS, Planes, as_png, grey
from inference.ct.reading.metaimage import open_scan

SIZE_XYZ, SPACING, ORIGIN = (9, 7, 5), (0.7, 0.9, 2.5), (-30.0, 12.5, 101.0)
ORIENTATIONS = ("LPS", "RAS", "RAI", "SAL", "PIR", "ASR")


@pytest.fixture(params=[False, True], ids=["raw", "zlib"])
def stored(request, tmp_path):
    """Return a function that stores a noise volume in an orientation and opens it with our reader."""

    def store(orientation):
        values = np.random.default_rng(7).integers(-1024, 3071, SIZE_XYZ[::-1]).astype(np.int16)
        image = SimpleITK.GetImageFromArray(values)
        image.SetSpacing(SPACING)
        image.SetOrigin(ORIGIN)
        image = SimpleITK.DICOMOrient(image, orientation)
        path = tmp_path / "scan.mha"
        SimpleITK.WriteImage(image, str(path), useCompression=request.param)
        with open_scan(path) as scan:
            voxels = np.empty(scan.grid.shape_zyx, dtype=scan.header.dtype)
            scan.read_into(voxels)
            return image, voxels, Planes.of(scan.grid)

    return store


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_every_slice_holds_exactly_the_voxels_that_itk_reads(stored, orientation):
    image, voxels, planes = stored(orientation)
    wanted = SimpleITK.GetArrayFromImage(SimpleITK.DICOMOrient(image, "LPS"))
    assert [planes.count(plane) for plane in ("axial", "coronal", "sagittal")] == [5, 7, 9]
    for index in range(5):
        assert np.array_equal(planes.cut(voxels, "axial", index), wanted[index])
    for index in range(7):
        assert np.array_equal(planes.cut(voxels, "coronal", index), wanted[::-1, index])
    for index in range(9):
        assert np.array_equal(planes.cut(voxels, "sagittal", index), wanted[::-1, :, index])


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_the_slices_through_a_point_show_the_voxel_that_itk_finds_there(stored, orientation):
    image, voxels, planes = stored(orientation)
    voxel = tuple(size // 3 for size in image.GetSize())
    point = image.TransformIndexToPhysicalPoint(voxel)
    for plane in ("axial", "coronal", "sagittal"):
        picture = planes.cut(voxels, plane, planes.index_at(plane, point))
        place, (height, width) = planes.place_of(plane, point), planes.size_mm(plane)
        row, column = int(place.down_mm / height * len(picture)), int(place.along_mm / width * picture.shape[1])
        assert picture[row, column] == image.GetPixel(voxel)


def test_a_point_outside_leads_to_the_nearest_slice_and_an_index_outside_to_none(stored):
    _, voxels, planes = stored("LPS")
    assert planes.index_at("axial", (0, 0, 1e6)) == 4
    assert planes.index_at("axial", (0, 0, -1e6)) == 0
    for index in (-1, 5):
        with pytest.raises(IndexError):
            planes.cut(voxels, "axial", index)


def test_a_slightly_tilted_scan_keeps_the_names_of_its_planes():
    image = SimpleITK.Image(SIZE_XYZ, SimpleITK.sitkInt16)
    turn = SimpleITK.Euler3DTransform((0, 0, 0), 0.3, 0.2, 0.1)
    image.SetDirection(turn.GetMatrix())
    planes = Planes.of(open_grid(image))
    assert (planes.axes, planes.signs) == ((0, 1, 2), (1, 1, 1))


def open_grid(image):
    from inference.ct.volume import Grid

    nx, ny, nz = image.GetSize()
    return Grid(
        (nz, ny, nx),
        np.array(image.GetSpacing()),
        np.array(image.GetOrigin()),
        np.reshape(image.GetDirection(), (3, 3)),
    )


@pytest.mark.parametrize(("level", "width"), [*WINDOWS.values(), (0.0, 1.0)])
def test_a_window_maps_hu_to_grey_as_dicom_says(level, width):
    hu = np.arange(-1100, 3100, dtype=np.int16).reshape(60, 70)
    wanted = np.clip(((hu - level) / width + 0.5) * 255, 0, 255)
    shown = np.asarray(Image.open(io.BytesIO(as_png(grey(hu, level, width)))))
    assert np.abs(shown - wanted).max() <= 0.51
