"""An organiser's archive of images is unpacked as data: each way out of the folder, and each bomb, is refused."""

import gzip
import io
import re
import shutil
import stat
import struct
import subprocess
import tarfile
import zipfile

import pytest

from submissions.faults import ParticipantError
from submissions.intake.dataset import unpack
from submissions.intake.dataset.unpack import UnpackLimits, judge_archive_name, unpack_images

SUFFIXES = (".mha", ".png")


def tar_of(*members, compressed=False):
    """Return a tar of (name, bytes), or of ready TarInfo rows."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz" if compressed else "w") as archive:
        for member in members:
            if isinstance(member, tarfile.TarInfo):
                archive.addfile(member)
            else:
                name, content = member
                info = tarfile.TarInfo(name)
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
    return stream.getvalue()


def zip_of(*members, compression=zipfile.ZIP_DEFLATED):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", compression) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return stream.getvalue()


def link(kind, name="scan.mha", target="/etc/passwd"):
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


@pytest.fixture
def unpacked(tmp_path):
    def run(content, **limits):
        path, folder = tmp_path / "archive", tmp_path / "out"
        path.write_bytes(content)
        folder.mkdir()
        return unpack_images(path, folder, SUFFIXES, UnpackLimits(**limits)), folder

    return run


GOOD = [("scans/a.mha", b"one"), ("scans/deep/b.PNG", b"two"), ("readme.txt", b"x"), ("__MACOSX/._a.mha", b"y")]


@pytest.mark.parametrize(
    "content", [zip_of(*GOOD), tar_of(*GOOD), tar_of(*GOOD, compressed=True)], ids=["zip", "tar", "tgz"]
)
def test_images_keep_their_names_and_the_rest_is_only_counted(unpacked, content):
    found, folder = unpacked(content)
    assert (found.files, found.members, found.n_ignored, found.ignored) == (2, 4, 1, ["readme.txt"])
    assert (folder / "scans/a.mha").read_bytes() == b"one"
    assert (folder / "scans/deep/b.PNG").read_bytes() == b"two"
    assert sorted(path.name for path in folder.rglob("*") if path.is_file()) == ["a.mha", "b.PNG"]
    assert stat.S_IMODE((folder / "scans/a.mha").stat().st_mode) == 0o600


def windows_zip_of(*members):
    """Return a zip as Compress-Archive of Windows PowerShell 5.1 writes it."""
    rows = [(zipfile.ZipInfo(name), content) for name, content in members]
    for info, _ in rows:
        info.create_system, info.external_attr = 0, 0
    return zip_of(*rows)


def test_folders_of_windows_are_folders(unpacked):
    empty, left = ("scans\\empty\\", b""), ("__MACOSX\\._a.mha", b"y")
    found, folder = unpacked(windows_zip_of(("scans\\a.mha", b"one"), ("scans\\deep\\b.png", b"two"), empty, left))
    assert (found.files, found.members, found.n_ignored) == (2, 3, 0)
    assert (folder / "scans/a.mha").read_bytes() == b"one"
    assert (folder / "scans/deep/b.png").read_bytes() == b"two"


class UnmarkedName(zipfile.ZipInfo):
    """A name in UTF-8 without the flag for it, as macOS's Archive Utility and Info-ZIP's zip write them."""

    encoding = "utf-8"

    def _encodeFilenameFlags(self):  # zipfile's own
        return self.filename.encode(self.encoding), self.flag_bits


class DosName(UnmarkedName):
    encoding = "cp437"


@pytest.mark.parametrize("kind", [UnmarkedName, DosName, zipfile.ZipInfo])
def test_names_keep_their_letters(unpacked, kind):
    _, folder = unpacked(zip_of((kind("scans/größe 1.mha"), b"one"), (kind("__MACOSX/scans/._größe 1.mha"), b"x")))
    assert [path.name for path in folder.rglob("*.mha")] == ["größe 1.mha"]


@pytest.mark.parametrize(
    ("odd", "words", "plain"),
    [
        (["-S", "--format=gnu"], "a file with holes (sparse): make it with `tar --format=ustar`", ["--format=ustar"]),
        (["-S", "--format=oldgnu"], "a file with holes", ["--format=ustar"]),
        (["-S", "--format=pax"], "a file with holes", ["--format=ustar"]),
        (["-V", "scans"], "neither a file, a directory nor a link: make it with `tar", ["--format=ustar"]),
        ([], "is a link; only ordinary files", ["--dereference", "--hard-dereference"]),
    ],
)
def test_what_tar_writes_instead_of_a_file_is_named_and_the_remedy_works(tmp_path, odd, words, plain):
    scans, path = tmp_path / "scans", tmp_path / "scans.tar"
    scans.mkdir()
    with (scans / "a.mha").open("wb") as file:
        file.truncate(1 << 20)
    if not odd:
        (scans / "b.mha").hardlink_to(scans / "a.mha")

    def unpack_what_tar_makes(options):
        subprocess.run(["tar", *options, "-cf", path, "scans"], cwd=tmp_path, check=True)
        folder = tmp_path / f"out{len(options)}"
        folder.mkdir(exist_ok=True)
        return unpack_images(path, folder, SUFFIXES)

    with pytest.raises(ParticipantError, match=re.escape(words)) as refusal:
        unpack_what_tar_makes(odd)
    assert all(option in refusal.value.note for option in plain)
    shutil.rmtree(tmp_path / f"out{len(odd)}")
    assert unpack_what_tar_makes(plain).bytes == len(list(scans.iterdir())) << 20


def zip_link():
    info = zipfile.ZipInfo("scan.mha")
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    return zip_of((info, "/etc/passwd"))


def encrypted():
    content = bytearray(zip_of(("a.mha", b"secret")))
    content[content.index(b"PK\x01\x02") + 8] |= 1
    return bytes(content)


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (tar_of(("../a.mha", b"x")), "ARCHIVE_BAD_MEMBER"),
        (tar_of(("/tmp/a.mha", b"x")), "ARCHIVE_BAD_MEMBER"),
        (tar_of(("a\nb.mha", b"x")), "ARCHIVE_BAD_MEMBER"),
        (zip_of(("../a.mha", b"x")), "ARCHIVE_BAD_MEMBER"),
        (zip_of(("x/../../a.mha", b"x")), "ARCHIVE_BAD_MEMBER"),
        (zip_of(("/a.mha", b"x")), "ARCHIVE_BAD_MEMBER"),
        (zip_of(("..\\a.mha", b"x")), "ARCHIVE_BAD_MEMBER"),
        (windows_zip_of(("..\\a.mha", b"x")), "ARCHIVE_BAD_MEMBER"),
        (windows_zip_of(("\\a.mha", b"x")), "ARCHIVE_BAD_MEMBER"),
        (windows_zip_of(("x\\a.mha", b"x"), ("x/a.mha", b"y")), "ARCHIVE_DUPLICATE_MEMBER"),
        (zip_of(("/".join("abcdefghijklmnopqr") + ".mha", b"x")), "ARCHIVE_BAD_MEMBER"),
        (zip_of(("n" * 300 + ".mha", b"x")), "ARCHIVE_BAD_MEMBER"),
        (zip_of(("a.mha", b"x"), ("a.mha/b.mha", b"x")), "ARCHIVE_BAD_MEMBER"),
        (tar_of(link(tarfile.SYMTYPE)), "ARCHIVE_BAD_MEMBER"),
        (tar_of(link(tarfile.LNKTYPE)), "ARCHIVE_BAD_MEMBER"),
        (tar_of(link(tarfile.CHRTYPE)), "ARCHIVE_BAD_MEMBER"),
        (tar_of(link(tarfile.FIFOTYPE)), "ARCHIVE_BAD_MEMBER"),
        (zip_link(), "ARCHIVE_BAD_MEMBER"),
        (encrypted(), "ARCHIVE_BAD_MEMBER"),
        (tar_of(("a.mha", b"x"), ("./a.mha", b"y")), "ARCHIVE_DUPLICATE_MEMBER"),
        (zip_of(("a.mha", b"x"), compression=zipfile.ZIP_LZMA), "COMPRESSION_NOT_SUPPORTED"),
        (b"BZh91AY&SY" + bytes(600), "COMPRESSION_NOT_SUPPORTED"),
        (b"hello, this is no archive" * 40, "UPLOAD_NOT_ARCHIVE"),
        (b"", "UPLOAD_NOT_ARCHIVE"),
        (tar_of(("a.mha", b"x" * 5000))[:3000], "ARCHIVE_CORRUPT"),
        (tar_of(("a.mha", bytes(range(256)) * 40), compressed=True)[:-30], "ARCHIVE_CORRUPT"),
        (gzip.compress(b"no tar inside" * 100), "ARCHIVE_CORRUPT"),
        (zip_of(("a.mha", b"x" * 5000))[:-40], "ARCHIVE_CORRUPT"),
        (zip_of(("a.mha", b"x" * 90), compression=zipfile.ZIP_STORED).replace(b"x" * 90, b"y" * 90), "ARCHIVE_CORRUPT"),
    ],
)  # fmt: skip
def test_what_is_no_plain_archive_of_files_is_refused(unpacked, tmp_path, content, code):
    with pytest.raises(ParticipantError) as refusal:
        unpacked(content)
    assert refusal.value.code == code
    outside = [path for path in tmp_path.rglob("*") if path.is_file() and "out" not in path.parts]
    assert [path.name for path in outside] == ["archive"]


BOMB = bytes(3 << 20)


@pytest.mark.parametrize(
    "content", [zip_of(("a.mha", BOMB)), tar_of(("a.mha", BOMB), compressed=True)], ids=["zip", "tgz"]
)
@pytest.mark.parametrize("limits", [{"max_ratio": 20, "ratio_free_bytes": 1 << 20}, {"max_bytes": 2 << 20}])
def test_a_bomb_is_stopped_while_it_unpacks(unpacked, tmp_path, content, limits):
    with pytest.raises(ParticipantError) as refusal:
        unpacked(content, **limits)
    assert refusal.value.code == "ARCHIVE_BOMB"
    assert sum(path.stat().st_size for path in (tmp_path / "out").rglob("*.mha")) <= 2 << 20


@pytest.mark.parametrize("make", [zip_of, tar_of])
def test_members_are_counted(unpacked, make):
    with pytest.raises(ParticipantError) as refusal:
        unpacked(make(*[(f"{i}.txt", b"") for i in range(11)]), max_members=10)
    assert refusal.value.code == "ARCHIVE_TOO_MANY_MEMBERS"


def test_a_zip_with_a_huge_directory_is_refused_before_it_is_read(unpacked, monkeypatch):
    content = zip_of(*[(f"{i}.mha", b"") for i in range(30)])
    monkeypatch.setattr(unpack.zipfile, "ZipFile", None)  # reading it would fail
    with pytest.raises(ParticipantError) as refusal:
        unpacked(content, max_directory_bytes=1000)
    assert refusal.value.code == "ARCHIVE_TOO_MANY_MEMBERS"


def test_reading_can_be_stopped(unpacked, tmp_path):
    class Stopped(Exception):
        pass

    def stop(count):
        raise Stopped

    path = tmp_path / "a.zip"
    path.write_bytes(zip_of(("a.mha", b"x")))
    with pytest.raises(Stopped):
        unpack_images(path, tmp_path, SUFFIXES, advance=stop)


@pytest.mark.parametrize("name", ["scans.7z", "scans", "scans.mha", "scans.tar.xz"])
def test_a_name_says_what_is_sent(name):
    with pytest.raises(ParticipantError, match=r"\.zip"):
        judge_archive_name(name)


def zip64_that_points_elsewhere():
    """Return a zip whose locator points to an honest record, while zipfile reads the one just before the locator."""
    honest, real = (
        struct.pack("<4sQHHIIQQQQ", b"PK\x06\x06", 44, 45, 45, 0, 0, 0, 0, size, 0) for size in (0, 1 << 40)
    )
    locator = struct.pack("<4sIQI", b"PK\x06\x07", 0, 4, 1)
    end = struct.pack("<4sHHHHIIH", b"PK\x05\x06", 0, 0, 0, 0, 0xFFFFFFFF, 0xFFFFFFFF, 0)
    return b"PK\x03\x04" + honest + real + locator + end


def test_the_directory_is_judged_by_the_record_that_is_read(tmp_path):
    path = tmp_path / "a.zip"
    path.write_bytes(zip64_that_points_elsewhere())
    assert unpack.directory_of(path)[0] == 1 << 40
    with pytest.raises(ParticipantError) as refused:
        unpack_images(path, tmp_path / "out", SUFFIXES)
    assert refused.value.code == "ARCHIVE_TOO_MANY_MEMBERS"


def with_name_that_is_not_utf8(data):
    """Mark the names as UTF-8, which they are not."""
    data = data.replace(b"a.mha", b"\xff.mha")
    for mark, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        place = data.index(mark) + at
        data = data[:place] + b"\x00\x08" + data[place + 2 :]
    return data


def with_directory_before_the_file(data):
    place = data.index(b"PK\x05\x06") + 12
    return data[:place] + struct.pack("<II", 0x100000, 0) + data[place + 8 :]


@pytest.mark.parametrize("spoil", [with_name_that_is_not_utf8, with_directory_before_the_file])
def test_a_zip_with_impossible_names_or_places_is_damaged(tmp_path, spoil):
    path = tmp_path / "a.zip"
    path.write_bytes(spoil(zip_of(("a.mha", b"x" * 100))))
    with pytest.raises(ParticipantError) as refused:
        unpack_images(path, tmp_path / "out", SUFFIXES)
    assert refused.value.code == "ARCHIVE_CORRUPT"
