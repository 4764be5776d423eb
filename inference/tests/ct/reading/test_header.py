"""Headers of MetaImage files: what is refused, with which reason (rows M1 to M18)."""

import time

import numpy as np
import pytest

from inference.ct.reading.errors import InvalidImageFile
from inference.ct.reading.header import MAX_HEADER_BYTES, parse_header
from inference.ct.reading.metaimage import open_scan, read_volume
from inference.tests.metaimages import fields_of, header_bytes, mha, saved, voxels

REFUSED = [
    # M1, M2: what a header may not point to
    ("HEADER_DATA_FILE", {"ElementDataFile": "/etc/passwd"}),
    ("HEADER_DATA_FILE", {"ElementDataFile": "../x"}),
    ("HEADER_DATA_FILE", {"ElementDataFile": "/proc/self/environ"}),
    *[("HEADER_DATA_FILE", {"ElementDataFile": name}) for name in ("LIST", "LIST 2D", "LIST 3", "LISTE.raw")],
    *[("HEADER_DATA_FILE", {"ElementDataFile": name}) for name in (
        "././x.raw", "./sub/x.raw", "./../x.raw", "C:x.raw", "a\x07.raw", "." , "./", "x" * 256)],
    ("HEADER_DATA_FILE", {"ElementDataFile": "slice%03d.raw 1 9 1"}),
    ("HEADER_DATA_FILE", {"ElementDataFile": ""}),
    ("HEADER_DATA_FILE", {"ElementDataFile": "a\\b.raw"}),
    ("HEADER_DATA_FILE", {"ElementDataFile": ".hidden"}),
    ("HEADER_DATA_FILE", {"ElementDataFile": "http://192.0.2.1/x.raw"}),
    ("FILE_SET", {"ElementDataFile": "scan.raw"}),
    # M5, M6
    *[("HEADER_DIMS", {"NDims": dims}) for dims in (-3, 0, 1, 2, 4, 100, "abc", "3.0", "", None)],
    *[("HEADER_DIMS", {"DimSize": size}) for size in (
        "0 4 3", "-5 4 3", "4294967296 4 3", "5 4", "5 4 3 1", "1e3 4 3", "5 4 4097", "5,4,3",
        "5 4 3x", "", None,
        "9" * 40 + " 4 3", "5 4 ٣".encode().decode("latin-1"))][:-1],
    # M7
    ("IMAGE_TOO_LARGE", {"DimSize": "4096 4096 4096"}),
    ("IMAGE_TOO_LARGE", {"DimSize": "1024 1024 513"}),
    # M11, M12
    *[("HEADER_CHANNELS", {"ElementNumberOfChannels": count}) for count in (3, 0, -1, 2_000_000_000, "one")],
    *[("HEADER_TYPE", {"ElementType": name}) for name in (
        "MET_STRING", "MET_OTHER", "MET_LONG_LONG", "MET_ULONG_LONG", "MET_LONG64",
        "MET_SHORT_ARRAY", "MET_NONE",
        "met_short", "SHORT", "", None)],
    ("HEADER_TYPE", {"ElementToIntensityFunctionSlope": "2"}),
    ("HEADER_TYPE", {"ElementToIntensityFunctionOffset": "-1024"}),
    # M13
    *[("HEADER_GEOMETRY", {"ElementSpacing": text}) for text in (
        "0 1 1", "nan 1 1", "-1 1 1", "1e300 1 1", "inf 1 1", "1e-300 1 1", "1 1", "1 1 1 1",
        "1,0 1 1", "", None)],
    *[("HEADER_GEOMETRY", {"TransformMatrix": text}) for text in (
        "0 0 0 0 0 0 0 0 0", "1 0 0 1 0 0 0 0 1", "1 0.1 0 0 1 0 0 0 1", "2 0 0 0 2 0 0 0 2",
        "1 0 0 0 1 0 0 0",
        "nan 0 0 0 1 0 0 0 1", "1 0 0 0 1 0 0 0 1 0", "1e200 0 0 0 1 0 0 0 1")],
    *[("HEADER_GEOMETRY", {"Offset": text}) for text in ("nan 0 0", "0 0", "1e9 0 0", "inf 0 0",
        "1e999 0 0", "x y z")],
    # M15
    *[("HEADER_FORMAT", {"HeaderSize": size}) for size in (4, -1, 128, "", "x")],
    # M18 and other formats
    ("HEADER_FORMAT", {"BinaryData": False}),
    ("HEADER_FORMAT", {"BinaryData": "yes"}),
    ("HEADER_FORMAT", {"BinaryDataByteOrderMSB": "maybe"}),
    ("HEADER_FORMAT", {"CompressedData": "gzip"}),
    ("HEADER_FORMAT", {"ObjectType": "Scene"}),
    ("HEADER_FORMAT", {"BinaryData": "T\x00"}),
    # Two names of one thing that differ
    ("HEADER_FORMAT", {"Position": "0 0 0"}),
    ("HEADER_FORMAT", {"Origin": "-10.5 20"}),
    ("HEADER_FORMAT", {"Rotation": "0 1 0 1 0 0 0 0 1"}),
    ("HEADER_FORMAT", {"ElementByteOrderMSB": "True"}),
]  # fmt: skip


@pytest.mark.parametrize(("code", "changes"), REFUSED, ids=lambda value: str(value)[:60])
def test_a_wrong_header_is_refused_with_its_reason(tmp_path, code, changes):
    with pytest.raises(InvalidImageFile) as refusal:
        read_volume(saved(tmp_path, mha(**changes)))
    assert refusal.value.code == code


@pytest.mark.parametrize(("code", "changes"), REFUSED[:10])
def test_a_refusal_names_no_path_and_no_content(tmp_path, code, changes):
    with pytest.raises(InvalidImageFile) as refusal:
        read_volume(saved(tmp_path, mha(**changes)))
    assert str(tmp_path) not in str(refusal.value)
    assert "passwd" not in refusal.value.note


OTHER_FORMATS = {
    "empty": b"",
    "png": b"\x89PNG\r\n\x1a\n" + bytes(100),
    "nrrd": b"NRRD0004\n# a comment\ntype: short\ndimension: 3\n",
    "vtk": b"# vtk DataFile Version 3.0\nx\nBINARY\n",
    "hdf5": b"\x89HDF\r\n\x1a\n" + bytes(100),
    "dicom": bytes(128) + b"DICM" + bytes(100),
    "html": b"<!doctype html>\n<p>a = b</p>\n",
    "binary": bytes(range(256)) * 10,
    "no end": b"ObjectType = Image\nNDims = 3\n",
    "one endless line": b"Comment = " + b"x" * 200_000,
    "many lines": b"Comment = 1\n" * 20_000,
    "the header of a picture's folder": b"\xff\xd8\xff\xe0" + bytes(range(256)) * 10,
}


@pytest.mark.parametrize("name", OTHER_FORMATS)
def test_other_formats_are_no_metaimage(tmp_path, name):
    with pytest.raises(InvalidImageFile) as refusal:
        open_scan(saved(tmp_path, OTHER_FORMATS[name]))
    assert refusal.value.code == "HEADER_FORMAT"


def lines(*texts: str) -> bytes:
    return "\n".join(texts).encode("latin-1") + b"\n"


GOOD_LINES = tuple(header_bytes(fields_of(voxels())).decode().splitlines())


# Readers would take the one or the other: whatever is used may be said twice only if both agree.
TWO_MINDED = [
    lines(*GOOD_LINES[:-1], "NDims = 2", GOOD_LINES[-1]),
    lines(*GOOD_LINES[:-1], "ElementSpacing : 9 9 9", GOOD_LINES[-1]),  # ITK ends a key at a colon, too
    lines(*GOOD_LINES[:-1], "  DimSize=3 4 5", GOOD_LINES[-1]),
    lines(*GOOD_LINES[:-1], "x\rElementType = MET_INT", GOOD_LINES[-1]),
    lines(*GOOD_LINES[:-1], "Offset\x00more = 1 2 3", GOOD_LINES[-1]),
    lines(*GOOD_LINES[:-1], "CompressedData = yes", GOOD_LINES[-1]),
    lines(*GOOD_LINES[:-1], "ObjectType = Scene", GOOD_LINES[-1]),
    b"Comment = " + b"x" * MAX_HEADER_BYTES + b"\n" + lines(*GOOD_LINES),
]


@pytest.mark.parametrize("head", TWO_MINDED, ids=range(len(TWO_MINDED)))
def test_a_header_that_readers_could_understand_differently_is_refused(head):
    with pytest.raises(InvalidImageFile) as refusal:
        parse_header(head)
    assert refusal.value.code == "HEADER_FORMAT"


UNUSED_LINES = {
    "blank": b"", "blanks": b"  \t ", "no equals sign": b"made by hand", "no key": b" = 3",
    "utf-8": "Comment = café".encode(), "latin-1": b"PatientName = M\xfcller", "nul": b"Comment = a\x00b",
    "escape": b"Comment = a\x1b[31mb", "any byte": b"Notes = " + bytes(range(256)).replace(b"\n", b""),
    "carriage return": b"Notes = a\rb", "odd key": b"\xff\xfe: x", "key of any length": b"k" * 600 + b" = 1",
    "long value": b"Notes = " + b"x" * 60_000, "unknown key": b"UnheardOf = 1", "dicom": b"0010|0010 = M\xfcller^J",
    "other case": b"dimsize = 9 9 9", "short list": b"Color = 3", "no list": b"CenterOfRotation = x",
    "in json": b'{"DimSize": [1, 1, 1]}', "xml": b"<a href='x=y'>", "no header": b"HeaderSize = 0",
    "size of what is not compressed": b"CompressedDataSize = lots", "spelt otherwise": b"binarydata = False",
}  # fmt: skip


@pytest.mark.parametrize("name", UNUSED_LINES)
@pytest.mark.parametrize("at", [1, -1])
def test_a_line_that_nobody_needs_is_passed_over(tmp_path, name, at):
    array = voxels()
    head = [line.encode() for line in GOOD_LINES]
    content = b"\n".join([*head[:at], UNUSED_LINES[name], *head[at:]]) + b"\n" + array.tobytes()
    volume = read_volume(saved(tmp_path, content))
    assert np.array_equal(volume.hu, array)
    assert volume.grid.spacing_xyz_mm.tolist() == [0.7, 0.7, 2.5]


def test_any_number_of_lines_fits_that_fits_into_the_header(tmp_path):
    extras = {f"{number:04x}|0010": "x" for number in range(3000)}
    assert np.array_equal(read_volume(saved(tmp_path, mha(**extras))).hu, voxels())


SAID_TWICE = [
    {"ElementByteOrderMSB": "False"}, {"ElementByteOrderMSB": "f"}, {"Position": "-10.5 20 -30.25"},
    {"Origin": "-10.50 +20.0 -3025e-2"}, {"Rotation": "1 0 0 0 1 0 0 0 1"}, {"Orientation": "1 0 0 0 1 0 0 0 1.0"},
    {"Position": "-10.5 20 -30.25", "Origin": "-10.5 20 -30.25"},
]  # fmt: skip


@pytest.mark.parametrize("again", SAID_TWICE, ids=lambda again: next(iter(again)))
def test_what_is_said_twice_alike_is_no_contradiction(tmp_path, again):
    volume = read_volume(saved(tmp_path, mha(**again)))
    assert np.array_equal(volume.hu, voxels())
    assert volume.grid.origin_xyz_mm.tolist() == [-10.5, 20, -30.25]


@pytest.mark.parametrize("line", GOOD_LINES[:-1])
def test_a_line_that_stands_there_twice_is_no_contradiction(tmp_path, line):
    content = lines(*GOOD_LINES[:-1], line, GOOD_LINES[-1]) + voxels().tobytes()
    assert np.array_equal(read_volume(saved(tmp_path, content)).hu, voxels())


@pytest.mark.parametrize("word", ["True", "true", "T", "t", "1"])
def test_a_flag_is_read_in_all_its_spellings(tmp_path, word):
    array = voxels(">i2")
    content = mha(
        array, BinaryData=word, BinaryDataByteOrderMSB=word, CompressedData={"T": "F", "1": "0"}.get(word, "f")
    )
    assert np.array_equal(read_volume(saved(tmp_path, content)).hu, array)


def test_a_byte_order_mark_is_no_part_of_the_first_key(tmp_path):
    content = b"\xef\xbb\xbf" + lines(*GOOD_LINES[1:]) + voxels().tobytes()
    assert np.array_equal(read_volume(saved(tmp_path, content)).hu, voxels())


ACCEPTED_EXTRAS = [
    {"Comment": "made by hand", "Modality": "MET_MOD_CT", "Name": "chest", "ID": "-1", "ParentID": "-1"},
    {
        "ElementNumberOfChannels": "1",
        "ElementSize": "0.7 0.7 2.5",
        "ElementMin": "-1024",
        "ElementMax": "3071",
    },
    {"ITK_InputFilterName": "MetaImageIO", "ITK_original_direction": "1 0 0 0 1 0 0 0 1"},
    {"0008|0060": "CT", "0018|0050": "2.5", "0028|1052": "-1024"},
    {"ElementToIntensityFunctionSlope": "1", "ElementToIntensityFunctionOffset": "0"},
    {"CompressionLevel": "2", "DistanceUnits": "mm", "AcquisitionDate": "none", "Color": "1 0 0 1"},
    {"ObjectType": None, "CenterOfRotation": None, "AnatomicalOrientation": None, "BinaryData": None},
    {"Offset": None, "Position": "-10.5 20 -30.25"},
    {"Offset": None, "Origin": "-10.5 20 -30.25"},
    {"TransformMatrix": None, "Rotation": "1 0 0 0 1 0 0 0 1"},
    {"TransformMatrix": None, "Orientation": "1 0 0 0 1 0 0 0 1"},
    {"BinaryDataByteOrderMSB": None, "ElementByteOrderMSB": "False"},
    {"ElementSpacing": None, "ElementSize": "0.7 0.7 2.5"},  # ITK then takes the one for the other
    {"TransformType": "MatrixOffset", "ITK_sample_2": "x", "DICOM_0008_0060": "CT", "0018_0050": "2.5"},
    {"PatientID": "1", "StudyInstanceUID": "1.2", "WindowCenter": "40", "Exposures": "1 2", "t0": "0"},
    {"ElementSpacing": "7e-1 .7 2.50", "TransformMatrix": "+1 -0 0 0 1.0 0 0 0 1.e0"},
]


@pytest.mark.parametrize("extras", ACCEPTED_EXTRAS, ids=lambda extras: next(iter(extras)))
def test_headers_of_the_usual_writers_are_read(tmp_path, extras):
    volume = read_volume(saved(tmp_path, mha(**extras)))
    assert np.array_equal(volume.hu, voxels())
    assert volume.grid.origin_xyz_mm.tolist() == [-10.5, 20, -30.25]
    assert volume.grid.spacing_xyz_mm.tolist() == [0.7, 0.7, 2.5]


def test_ndims_must_come_before_what_depends_on_it():
    """As in ITK, which refuses such a header."""
    with pytest.raises(InvalidImageFile) as refusal:
        parse_header(lines(*[line for line in GOOD_LINES if "NDims" not in line][:-1], "NDims = 3", GOOD_LINES[-1]))
    assert refusal.value.code == "HEADER_DIMS"


def test_lines_may_end_as_windows_writes_them(tmp_path):
    array = voxels()
    content = header_bytes(fields_of(array), newline="\r\n") + array.tobytes()
    assert np.array_equal(read_volume(saved(tmp_path, content)).hu, array)


def test_the_largest_header_allowed_is_read(tmp_path):
    extras = {f"ITK_{'a' * n}": "x" for n in range(1, 61)}
    assert read_volume(saved(tmp_path, mha(Comment="x" * 50_000, **extras))).hu.shape == (3, 4, 5)


def test_a_huge_promise_costs_neither_time_nor_memory(tmp_path):
    path = saved(tmp_path, mha(data=bytes(64), DimSize="4096 4096 32"))
    began = time.process_time()
    with pytest.raises(InvalidImageFile) as refusal:
        open_scan(path)
    assert refusal.value.code == "DATA_LENGTH"
    assert time.process_time() - began < 0.5


@pytest.mark.parametrize("shape_zyx", [(1, 1, 1), (1, 4, 5), (3, 1, 5), (3, 4, 1)])
def test_a_scan_may_be_one_voxel_wide(tmp_path, shape_zyx):
    array = voxels(shape_zyx=shape_zyx)
    assert np.array_equal(read_volume(saved(tmp_path, mha(array))).hu, array)


def test_a_scan_may_be_as_wide_as_4096_voxels(tmp_path):
    array = voxels(shape_zyx=(1, 1, 4096))
    assert read_volume(saved(tmp_path, mha(array))).grid.shape_zyx == (1, 1, 4096)
