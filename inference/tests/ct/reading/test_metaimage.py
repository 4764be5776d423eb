"""Pixels of MetaImage files: exactly those in the file, or a refusal (rows M4, M9, M10, M18)."""

import itertools
import os
import resource
import time
import zlib

import numpy as np
import pytest
import SimpleITK
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from inference.ct.reading.errors import InvalidImageFile
from inference.ct.reading.metaimage import open_scan, read_volume
from inference.ct.volume import CTVolume
from inference.ct.writing import write_mha
from inference.tests.metaimages import (
    TYPE_NAMES,
    fields_of,
    header_bytes,
    mha,
    saved,
    voxels,
    zlib_mha,
)

ALL_TYPES = [order + code for code, order in itertools.product(TYPE_NAMES, "<>") if code[1] != "1" or order == "<"]


@pytest.mark.parametrize("make", [mha, zlib_mha], ids=["raw", "zlib"])
@pytest.mark.parametrize("dtype", [code.replace("<i1", "|i1").replace("<u1", "|u1") for code in ALL_TYPES])
def test_every_number_type_and_byte_order_is_read_as_itk_reads_it(tmp_path, make, dtype):
    array = voxels(dtype)
    path = saved(tmp_path, make(array))
    volume = read_volume(path)
    oracle = SimpleITK.ReadImage(str(path))
    assert np.array_equal(volume.hu, array)
    assert np.array_equal(volume.hu, SimpleITK.GetArrayFromImage(oracle))
    assert volume.hu.dtype.isnative


@pytest.mark.parametrize("compressed", [True, False])
def test_a_volume_itk_wrote_is_read_with_its_geometry(tmp_path, compressed):
    image = SimpleITK.GetImageFromArray(voxels("<f4", (6, 5, 4)))
    image.SetSpacing((0.5, 0.75, 3))
    image.SetOrigin((-100.125, 12, 7))
    image.SetDirection((0, -1, 0, 0.8, 0, -0.6, 0.6, 0, 0.8))
    path = tmp_path / "oblique.mha"
    SimpleITK.WriteImage(image, str(path), useCompression=compressed)
    volume = read_volume(path)
    index_zyx = np.array([4, 3, 1])
    expected = image.TransformIndexToPhysicalPoint(index_zyx[::-1].tolist())
    assert np.allclose(volume.grid.origin_xyz_mm + volume.grid.steps_xyz_mm @ index_zyx[::-1], expected, atol=1e-9)
    assert np.array_equal(volume.hu, SimpleITK.GetArrayFromImage(image))


@pytest.mark.parametrize("compressed", [True, False])
def test_what_we_write_we_and_itk_read_back(tmp_path, compressed):
    direction = np.array([[0, -1, 0], [0.8, 0, -0.6], [0.6, 0, 0.8]])
    volume = CTVolume.at(voxels("<i2"), (0.7, 0.8, 2.5), (1.5, -2.25, 300.125), direction)
    write_mha(volume, tmp_path / "ours.mha", compressed=compressed)
    oracle = SimpleITK.ReadImage(str(tmp_path / "ours.mha"))
    assert np.array_equal(SimpleITK.GetArrayFromImage(oracle), volume.hu)
    assert np.array_equal(read_volume(tmp_path / "ours.mha").hu, volume.hu)
    assert np.allclose(oracle.GetOrigin(), volume.grid.origin_xyz_mm)
    assert np.allclose(np.reshape(oracle.GetDirection(), (3, 3)), direction)


def good_stream() -> bytes:
    return zlib.compress(voxels().tobytes())


def flipped(position: int) -> bytes:
    stream = bytearray(good_stream())
    stream[position] ^= 0x55
    return bytes(stream)


DAMAGED = {
    "corrupt body": ("DATA_CORRUPT", flipped(20), {}),
    "wrong checksum": ("DATA_CORRUPT", flipped(-1), {}),
    "cut off": ("DATA_CORRUPT", good_stream()[:-10], {}),
    "checksum missing": ("DATA_CORRUPT", good_stream()[:-4], {}),
    "nothing": ("DATA_CORRUPT", b"", {}),
    "no zlib": ("DATA_CORRUPT", b"\x00" * 50, {}),
    "trailing bytes": ("DATA_CORRUPT", good_stream() + b"x", {}),
    "second stream": ("DATA_CORRUPT", good_stream() * 2, {}),
    "too few voxels": ("DATA_CORRUPT", zlib.compress(voxels().tobytes()[:-2]), {}),
    "one byte more": ("DATA_CORRUPT", zlib.compress(voxels().tobytes() + b"\0"), {}),
    "no voxels": ("DATA_CORRUPT", zlib.compress(b""), {}),
    "size too small": ("DATA_CORRUPT", good_stream(), {"CompressedDataSize": 10}),
    "size too large": ("DATA_CORRUPT", good_stream(), {"CompressedDataSize": 10_000}),
    "size absurd": ("DATA_CORRUPT", good_stream(), {"CompressedDataSize": "9e9"}),
    "size negative": ("DATA_CORRUPT", good_stream(), {"CompressedDataSize": -1}),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_a_damaged_stream_is_never_answered_from(tmp_path, name):
    code, stream, changes = DAMAGED[name]
    with pytest.raises(InvalidImageFile) as refusal:
        read_volume(saved(tmp_path, zlib_mha(data=stream, **changes)))
    assert refusal.value.code == code


@pytest.mark.parametrize("name", DAMAGED)
def test_a_crop_of_the_first_slice_notices_damage_behind_it(tmp_path, name):
    code, stream, changes = DAMAGED[name]
    with (
        pytest.raises(InvalidImageFile) as refusal,
        open_scan(saved(tmp_path, zlib_mha(data=stream, **changes))) as scan,
    ):
        scan.read_blocks([((0, 0, 0), (1, 1, 1))])
    assert refusal.value.code == code


@pytest.mark.parametrize(
    "data",
    [b"", b"x", voxels().tobytes()[:-1], voxels().tobytes() + b"x", b"header" + voxels().tobytes(),
     voxels().tobytes() + bytes(70_000), voxels().tobytes() + bytes(100) + b"x"],
)  # fmt: skip
def test_raw_voxels_must_be_as_many_as_promised(tmp_path, data):
    with pytest.raises(InvalidImageFile) as refusal:
        open_scan(saved(tmp_path, mha(data=data)))
    assert refusal.value.code == "DATA_LENGTH"


@pytest.mark.parametrize("padding", [b"\0", b"\0" * 512, b"\n", b"\r\n", b"\x1a", b" " * 100, bytes(65536)])
@pytest.mark.parametrize("make", [mha, zlib_mha], ids=["raw", "zlib"])
def test_padding_at_the_end_is_passed_over(tmp_path, make, padding):
    assert np.array_equal(read_volume(saved(tmp_path, make() + padding)).hu, voxels())
    header = saved(tmp_path, mhd(voxels()), "a.mhd")
    raw = saved(tmp_path, voxels().tobytes() + padding, "b")
    assert np.array_equal(read_volume(header, raw).hu, voxels())


@pytest.mark.parametrize("padding", [b"\0" * 512, b"\n", bytes(65536)])
def test_padding_behind_a_stream_of_unknown_size_is_passed_over(tmp_path, padding):
    assert np.array_equal(read_volume(saved(tmp_path, zlib_mha(CompressedDataSize=None) + padding)).hu, voxels())


@pytest.mark.parametrize("tail", [b"x", bytes(512) + b"x", bytes(65537), bytes(300_000)])
def test_more_than_padding_behind_a_stream_is_refused(tmp_path, tail):
    with pytest.raises(InvalidImageFile) as refusal:
        read_volume(saved(tmp_path, zlib_mha(CompressedDataSize=None) + tail))
    assert refusal.value.code == "DATA_CORRUPT"


@pytest.mark.parametrize(("name", "dtype"), [("MET_LONG", "<i4"), ("MET_ULONG", "<u4"), ("MET_LONG", ">i4")])
def test_a_long_has_32_bits_as_itk_reads_it(tmp_path, name, dtype):
    path = saved(tmp_path, mha(voxels(dtype), ElementType=name))
    assert np.array_equal(read_volume(path).hu, voxels(dtype))
    assert np.array_equal(SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(path))), voxels(dtype))


def test_a_stream_without_its_size_is_read(tmp_path):
    assert np.array_equal(read_volume(saved(tmp_path, zlib_mha(CompressedDataSize=None))).hu, voxels())


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("make", [mha, zlib_mha], ids=["raw", "zlib"])
def test_voxels_that_are_no_numbers_are_refused(tmp_path, make, value):
    array = voxels("<f4")
    array[1, 2, 3] = value
    with pytest.raises(InvalidImageFile) as refusal:
        read_volume(saved(tmp_path, make(array)))
    assert refusal.value.code == "DATA_NOT_FINITE"


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("at", [(0, 0, 0), (1, 0, 4), (1, 3, 0), (2, 3, 4)])
@pytest.mark.parametrize("dtype", ["<f4", ">f8"])
@pytest.mark.parametrize("make", [mha, zlib_mha], ids=["raw", "zlib"])
def test_a_voxel_that_is_no_number_refuses_the_scan_wherever_it_lies(tmp_path, make, dtype, at, value):
    array = voxels(dtype)
    array[at] = value
    with open_scan(saved(tmp_path, make(array))) as scan, pytest.raises(InvalidImageFile) as refusal:
        scan.read_blocks([((1, 1, 1), (2, 2, 2))])
    assert refusal.value.code == "DATA_NOT_FINITE"


@pytest.mark.parametrize("make", [mha, zlib_mha], ids=["raw", "zlib"])
def test_a_scan_of_floats_longer_than_a_piece_is_read(tmp_path, make):
    array = voxels("<f8", (9, 150, 151))
    with open_scan(saved(tmp_path, make(array))) as scan:
        [block] = scan.read_blocks([((4, 5, 6), (5, 9, 9))])
    assert np.array_equal(block, array[4:5, 5:9, 6:9])


@pytest.fixture(scope="module")
def gibibyte_of_zeros() -> bytes:
    """The same compressed mebibyte a thousand times; nobody gets as far as the checksum."""
    packer = zlib.compressobj(9)
    first, second = (packer.compress(bytes(1 << 20)) + packer.flush(zlib.Z_FULL_FLUSH) for _ in range(2))
    return first + second * 1023 + packer.flush()


@pytest.mark.parametrize(
    ("code", "dims"),
    [("DATA_LENGTH", "5 4 3"), ("DATA_LENGTH", "512 512 60"), ("IMAGE_TOO_LARGE", "1024 1024 512")],
)
def test_a_bomb_is_refused_at_once_and_in_little_memory(tmp_path, gibibyte_of_zeros, code, dims):
    path = saved(tmp_path, zlib_mha(data=gibibyte_of_zeros, DimSize=dims))
    assert os.path.getsize(path) < 1.2e6
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began = time.process_time()
    with pytest.raises(InvalidImageFile) as refusal, open_scan(path) as scan:
        scan.read_blocks([((0, 0, 0), (1, 4, 5))])
    assert refusal.value.code == code
    assert time.process_time() - began < 1
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000


def mhd(array: np.ndarray, data_file: str = "scan.raw", **changes: object) -> bytes:
    return header_bytes(fields_of(array, ElementDataFile=data_file, **changes))


def test_a_mhd_is_read_with_the_raw_file_sent_beside_it(tmp_path):
    header = saved(tmp_path, mhd(voxels()), "a.mhd")
    raw = saved(tmp_path, voxels().tobytes(), "some-other-name")
    assert np.array_equal(read_volume(header, raw).hu, voxels())


def test_a_mhd_is_read_with_a_compressed_raw_file(tmp_path):
    header = saved(tmp_path, mhd(voxels(), "scan.zraw", CompressedData=True), "a.mhd")
    raw = saved(tmp_path, good_stream(), "b")
    assert np.array_equal(read_volume(header, raw).hu, voxels())


@pytest.mark.parametrize("size", ["-1", "-5", "-9999999999999999999"])
def test_a_size_below_zero_is_a_fault_of_the_header(tmp_path, size):
    """Counted from it, the voxels would end before the file begins."""
    header = saved(tmp_path, mhd(voxels(), "a.zraw", CompressedData=True, CompressedDataSize=size), "a.mhd")
    with pytest.raises(InvalidImageFile) as refusal:
        open_scan(header, saved(tmp_path, good_stream(), "b"))
    assert refusal.value.code == "DATA_CORRUPT"


def test_the_name_in_a_mhd_is_never_followed(tmp_path):
    saved(tmp_path, voxels().tobytes(), "scan.raw")
    header = saved(tmp_path, mhd(voxels()), "a.mhd")
    with pytest.raises(InvalidImageFile) as refusal:
        open_scan(header)
    assert refusal.value.code == "FILE_SET"


@pytest.mark.parametrize("name", ["/etc/passwd", "../x", "/proc/self/environ", "sub/scan.raw", "LIST", "LIST 2D"])
def test_a_mhd_may_not_name_a_path_even_with_a_raw_file(tmp_path, name):
    raw = saved(tmp_path, voxels().tobytes(), "b")
    with pytest.raises(InvalidImageFile) as refusal:
        open_scan(saved(tmp_path, mhd(voxels(), name), "a.mhd"), raw)
    assert refusal.value.code == "HEADER_DATA_FILE"


def test_a_raw_file_beside_local_voxels_is_one_too_many(tmp_path):
    raw = saved(tmp_path, voxels().tobytes(), "b")
    with pytest.raises(InvalidImageFile) as refusal:
        open_scan(saved(tmp_path, mha()), raw)
    assert refusal.value.code == "FILE_SET"


AFTER = [b"more", b"PatientID = 1\nPatientName = M\xfcller\n", b"DimSize = 9 9 9\n", b"\0" * 1000, b"=\n" * 20_000]


@pytest.mark.parametrize("after", AFTER, ids=range(len(AFTER)))
def test_what_follows_the_header_of_a_mhd_is_passed_over(tmp_path, after):
    """As in ITK, which stops at ElementDataFile."""
    raw = saved(tmp_path, voxels().tobytes(), "b")
    assert np.array_equal(read_volume(saved(tmp_path, mhd(voxels()) + after, "a.mhd"), raw).hu, voxels())


@pytest.mark.parametrize("after", [bytes(65536), voxels().tobytes() * 2000])
def test_a_mhd_is_bounded(tmp_path, after):
    raw = saved(tmp_path, voxels().tobytes(), "b")
    with pytest.raises(InvalidImageFile) as refusal:
        open_scan(saved(tmp_path, mhd(voxels()) + after, "a.mhd"), raw)
    assert refusal.value.code == "HEADER_FORMAT"


@pytest.mark.parametrize("end", ["", "\r", "\n\n", "\r\n \r\n"])
def test_a_mhd_may_end_as_people_write_it(tmp_path, end):
    """By hand or by a script: without a line feed, or with empty lines."""
    raw = saved(tmp_path, voxels().tobytes(), "b")
    header = saved(tmp_path, mhd(voxels()).removesuffix(b"\n") + end.encode(), "a.mhd")
    assert np.array_equal(read_volume(header, raw).hu, voxels())


@pytest.mark.parametrize(
    "name",
    ["scan[1].raw", "Doe, J.raw", "(2) a+b@c#1&2=~.zraw", "./scan.raw", ".\\scan.raw", "M\xfcller.raw", "list.raw"],
)
def test_a_mhd_may_name_any_plain_file(tmp_path, name):
    raw = saved(tmp_path, voxels().tobytes(), "b")
    assert np.array_equal(read_volume(saved(tmp_path, mhd(voxels(), name), "a.mhd"), raw).hu, voxels())


def test_local_voxels_need_the_line_before_them_to_end(tmp_path):
    with pytest.raises(InvalidImageFile) as refusal:
        open_scan(saved(tmp_path, mha(data=b"").removesuffix(b"\n")))
    assert refusal.value.code == "DATA_LENGTH"


def test_a_refused_file_leaves_no_descriptor_open(tmp_path):
    path = saved(tmp_path, mha(data=b"short"))
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(20):
        with pytest.raises(InvalidImageFile):
            open_scan(path)
    assert len(os.listdir("/proc/self/fd")) == before


ranges = st.tuples(st.integers(0, 8), st.integers(1, 8)).map(lambda pair: (pair[0], pair[0] + pair[1]))


@pytest.mark.slow
@given(
    compressed=st.booleans(),
    blocks=st.lists(st.tuples(ranges, ranges, ranges), min_size=1, max_size=4),
    dtype=st.sampled_from(["<i2", ">i2", "<f8", "|u1"]),
)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_blocks_equal_the_same_part_of_the_whole(tmp_path, compressed, blocks, dtype):
    array = voxels(dtype, (16, 16, 16))
    path = saved(tmp_path, (zlib_mha if compressed else mha)(array))
    corners = [(tuple(low for low, _ in block), tuple(high for _, high in block)) for block in blocks]
    with open_scan(path) as scan:
        parts = scan.read_blocks(corners)
    for (low, high), part in zip(corners, parts, strict=True):
        assert np.array_equal(part, array[low[0] : high[0], low[1] : high[1], low[2] : high[2]])


@pytest.mark.realdata
def test_a_real_nodule_file_equals_the_whole_volume_voxel_for_voxel(real_data):
    [whole_path] = (real_data / "volumes").glob("*.mha")
    nodule = read_volume(real_data / "lidc_nodules/mha/LIDC-IDRI-0001_1.mha")
    with open_scan(whole_path) as whole:
        shift = nodule.grid.origin_xyz_mm - whole.grid.origin_xyz_mm
        low = tuple(np.rint(whole.grid.voxels_per_mm_xyz @ shift).astype(int)[::-1].tolist())
        high = tuple(start + size for start, size in zip(low, nodule.grid.shape_zyx, strict=True))
        [part] = whole.read_blocks([(low, high)])
    assert np.array_equal(part, nodule.hu)


@pytest.mark.realdata
def test_real_files_are_read_as_itk_reads_them(real_data):
    for path in sorted((real_data / "lidc_nodules/mha").glob("*.mha"))[::50]:
        volume, oracle = read_volume(path), SimpleITK.ReadImage(str(path))
        assert np.array_equal(volume.hu, SimpleITK.GetArrayFromImage(oracle))
        assert np.allclose(volume.grid.direction.ravel(), oracle.GetDirection())
        assert np.allclose(volume.grid.origin_xyz_mm, oracle.GetOrigin())
