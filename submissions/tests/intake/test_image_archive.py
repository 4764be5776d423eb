"""What the file itself may be: rows U2, U7–U11, U16, U25–U29 of the catalogue."""

import bz2
import gzip
import hashlib
import json
import lzma
import os
import random
import tarfile
import time
import tracemalloc
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from submissions.intake.image import go_json
from submissions.intake.image.limits import ArchiveLimits
from submissions.intake.image.scan import scan_archive
from submissions.tests.image_archives import (
    Member,
    as_bytes,
    code_of,
    docker_archive,
    docker_members,
    layer,
    oci_archive,
    oci_members,
    scan,
    tar,
)

LIMITS = ArchiveLimits()


def with_member(member: Member) -> bytes:
    return tar([member, *docker_members([layer()])])


def test_a_saved_image_is_described():
    data = docker_archive()

    facts = scan(data)

    assert facts.sha256 == hashlib.sha256(data).hexdigest()
    assert facts.file_bytes == facts.expanded_bytes == len(data)
    assert (facts.layout, facts.is_gzip) == ("docker", False)
    assert facts.image_id == "sha256:" + hashlib.sha256(facts.config_json).hexdigest()
    assert facts.diff_ids == ("sha256:" + hashlib.sha256(layer()).hexdigest(),)


def test_a_path_is_read_like_a_file(tmp_path: Path):
    path = tmp_path / "whatever.bin"
    path.write_bytes(docker_archive())

    assert scan_archive(path) == scan_archive(str(path)) == scan(docker_archive())


def test_content_decides_not_the_name(tmp_path: Path):
    gzip_named_tar = tmp_path / "image.tar"
    gzip_named_tar.write_bytes(gzip.compress(docker_archive()))
    tar_named_gzip = tmp_path / "image.tar.gz"
    tar_named_gzip.write_bytes(docker_archive())

    assert scan_archive(gzip_named_tar).is_gzip
    assert not scan_archive(tar_named_gzip).is_gzip


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "UPLOAD_EMPTY"),
        (b"<!doctype html><p>hello", "UPLOAD_NOT_ARCHIVE"),
        (b"\x89PNG\r\n\x1a\n" + bytes(4000), "UPLOAD_NOT_ARCHIVE"),
        (b"PK\x03\x04" + bytes(4000), "UPLOAD_NOT_ARCHIVE"),
        (random.Random(7).randbytes(20_000), "UPLOAD_NOT_ARCHIVE"),
        (gzip.compress(b"not a tar"), "UPLOAD_NOT_ARCHIVE"),
        (gzip.compress(gzip.compress(docker_archive())), "UPLOAD_NOT_ARCHIVE"),
        (b"\x28\xb5\x2f\xfd" + bytes(100), "COMPRESSION_NOT_SUPPORTED"),
        (lzma.compress(docker_archive()), "COMPRESSION_NOT_SUPPORTED"),
        (bz2.compress(docker_archive()), "COMPRESSION_NOT_SUPPORTED"),
        (gzip.compress(bz2.compress(docker_archive())), "COMPRESSION_NOT_SUPPORTED"),
        (bytes(10_240), "IMAGE_NO_MANIFEST"),
    ],
)
def test_what_is_no_tar_is_named(data: bytes, code: str):
    assert code_of(data) == code


TAR = docker_archive()
GZIP = gzip.compress(TAR)


@pytest.mark.parametrize("keep", [512, 700, len(TAR) // 2, len(TAR) - 9000, len(TAR) - 1])
def test_a_truncated_tar_is_corrupt(keep: int):
    assert code_of(TAR[:keep]) == "ARCHIVE_CORRUPT"


@pytest.mark.parametrize("keep", [2, 11, len(GZIP) // 2, len(GZIP) - 9, len(GZIP) - 4, len(GZIP) - 1])
def test_a_truncated_gzip_is_corrupt(keep: int):
    assert code_of(GZIP[:keep]) == "ARCHIVE_CORRUPT"


@pytest.mark.parametrize("at", [-1, -5, -8])
def test_a_wrong_gzip_trailer_is_corrupt(at: int):
    damaged = bytearray(GZIP)
    damaged[at] ^= 0xFF
    assert code_of(bytes(damaged)) == "ARCHIVE_CORRUPT"


@pytest.mark.parametrize("tail", [b"tail", TAR, bytes(512) + b"x", bytes(700)])
def test_nothing_but_whole_zero_blocks_may_follow_the_end(tail: bytes):
    assert code_of(TAR + tail) == "ARCHIVE_CORRUPT"


def test_bytes_after_a_gzip_are_refused_but_padding_and_members_are_not():
    assert code_of(GZIP + b"garbage") == "ARCHIVE_CORRUPT"
    assert scan(GZIP + bytes(1000)).is_gzip
    assert scan(gzip.compress(TAR[:1000]) + gzip.compress(TAR[1000:])).diff_ids == scan(TAR).diff_ids


def test_a_damaged_header_in_the_middle_is_corrupt():
    data = bytearray(TAR)
    at = data.index(b"manifest.json")
    data[at + 3] ^= 1
    assert code_of(bytes(data)) == "ARCHIVE_CORRUPT"


@pytest.mark.parametrize(
    ("member", "code"),
    [
        (Member("/etc/cron.d/x", b"x"), "ARCHIVE_BAD_MEMBER"),
        (Member("../x", b"x"), "ARCHIVE_BAD_MEMBER"),
        (Member("a/../../x", b"x"), "ARCHIVE_BAD_MEMBER"),
        (Member("n" * 513, b"x"), "ARCHIVE_BAD_MEMBER"),
        (Member("app/a\nb.py", b"x"), "ARCHIVE_BAD_MEMBER"),
        (Member("app/\x1b[2Ja", b"x"), "ARCHIVE_BAD_MEMBER"),
        (Member("pipe", header={"type": tarfile.FIFOTYPE}), "ARCHIVE_BAD_MEMBER"),
        (Member("null", header={"type": tarfile.CHRTYPE, "devmajor": 1}), "ARCHIVE_BAD_MEMBER"),
        (Member("disk", header={"type": tarfile.BLKTYPE}), "ARCHIVE_BAD_MEMBER"),
        (Member("sparse", header={"type": tarfile.GNUTYPE_SPARSE}), "ARCHIVE_BAD_MEMBER"),
        (Member("volume", header={"type": b"V"}), "ARCHIVE_BAD_MEMBER"),
        (Member("link", header={"type": tarfile.SYMTYPE, "linkname": "/etc/passwd"}), "ARCHIVE_BAD_MEMBER"),
        (Member("link", header={"type": tarfile.SYMTYPE, "linkname": "nothing"}), "ARCHIVE_BAD_MEMBER"),
        (Member("link", header={"type": tarfile.SYMTYPE, "linkname": "link"}), "ARCHIVE_BAD_MEMBER"),
        (Member("a/link", header={"type": tarfile.SYMTYPE, "linkname": "../../x"}), "ARCHIVE_BAD_MEMBER"),
        (Member("hard", header={"type": tarfile.LNKTYPE, "linkname": "/etc/shadow"}), "ARCHIVE_BAD_MEMBER"),
        (Member("manifest.json", b"[]"), "ARCHIVE_DUPLICATE_MEMBER"),
        (Member("./manifest.json", b"[]"), "ARCHIVE_DUPLICATE_MEMBER"),
        (Member(".//./manifest.json", b"[]"), "ARCHIVE_DUPLICATE_MEMBER"),
        (Member("manifest.json", header={"type": tarfile.DIRTYPE}), "ARCHIVE_DUPLICATE_MEMBER"),
    ],
)
def test_a_bad_member_is_refused(member: Member, code: str):
    assert code_of(with_member(member)) == code


@pytest.mark.parametrize(
    "member",
    [
        Member("n" * 512, b"x"),
        Member("./", header={"type": tarfile.DIRTYPE}),
        Member("000/", header={"type": tarfile.DIRTYPE}),
        Member("same", header={"type": tarfile.SYMTYPE, "linkname": "manifest.json"}),
        Member("000/also", header={"type": tarfile.SYMTYPE, "linkname": "./layer.tar"}),
        Member("hard", header={"type": tarfile.LNKTYPE, "linkname": "000/layer.tar"}),
        Member("broken.gz", b"\x1f\x8b\x08\x00 not really gzip"),
    ],
)
def test_a_harmless_member_is_taken(member: Member):
    assert scan(with_member(member)).diff_ids == scan(TAR).diff_ids


@pytest.mark.parametrize("format", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_every_tar_dialect_is_read(format: int):
    long_name = "d" * 90 + "/" + "f" * 90
    members = [Member(long_name, b"x", {"mtime": 1}), *docker_members([layer()])]

    assert scan(tar(members, format)).diff_ids == scan(TAR).diff_ids


def test_a_pax_name_counts_not_the_header_below_it():
    hidden = Member("innocent", b"x", {"pax_headers": {"path": "../escape"}})
    assert code_of(tar([hidden, *docker_members([layer()])], tarfile.PAX_FORMAT)) == "ARCHIVE_BAD_MEMBER"


@pytest.mark.parametrize("records", [{"GNU.sparse.major": "1"}, {"GNU.sparse.size": "10"}])
def test_a_pax_sparse_member_is_refused(records: dict[str, str]):
    sparse = Member("sparse", b"x", {"pax_headers": records})
    assert code_of(tar([sparse, *docker_members([layer()])], tarfile.PAX_FORMAT)) == "ARCHIVE_BAD_MEMBER"


def test_an_endless_extension_header_is_never_read_into_memory():
    header = tarfile.TarInfo("x")
    header.type, header.size = tarfile.XHDTYPE, 6 << 30
    assert code_of(header.tobuf(tarfile.GNU_FORMAT) + bytes(1 << 20)) == "ARCHIVE_BAD_MEMBER"


def test_a_symlinked_layer_is_its_target():
    members = docker_members([layer(), layer()])
    members[1] = Member("001/layer.tar", header={"type": tarfile.SYMTYPE, "linkname": "../000/layer.tar"})

    facts = scan(tar(members))

    assert len(facts.diff_ids) == 2
    assert len(facts.layers) == 1


def test_members_are_counted():
    members = docker_members([layer()])
    at_limit = replace(LIMITS, max_members=len(members))

    assert scan(tar(members), at_limit)
    assert code_of(tar([*members, Member("one-more")]), at_limit) == "ARCHIVE_TOO_MANY_MEMBERS"


@pytest.mark.slow
def test_a_million_empty_members_stop_early():
    header = tarfile.TarInfo("x").tobuf(tarfile.GNU_FORMAT)
    many = b"".join(tarfile.TarInfo(f"{number:07d}").tobuf(tarfile.GNU_FORMAT) for number in range(20_001))
    started = time.process_time()

    assert code_of(many + header * 10_000) == "ARCHIVE_TOO_MANY_MEMBERS"
    assert time.process_time() - started < 5


@pytest.mark.parametrize("data", [TAR, GZIP, oci_archive()])
def test_the_expanded_size_has_a_limit(data: bytes):
    expanded = scan(data).expanded_bytes

    assert scan(data, replace(LIMITS, max_expanded_bytes=expanded))
    assert code_of(data, replace(LIMITS, max_expanded_bytes=expanded - 1)) == "IMAGE_TOO_LARGE"


def zeros_gzip(expanded_bytes: int) -> bytes:
    return gzip.compress(docker_archive([layer(data=bytes(expanded_bytes))]), compresslevel=1)


def test_a_high_ratio_is_a_bomb_only_beyond_the_free_bytes():
    data = zeros_gzip(3_000_000)
    expanded = scan(data).expanded_bytes

    assert scan(data, replace(LIMITS, ratio_free_bytes=expanded))
    assert code_of(data, replace(LIMITS, ratio_free_bytes=expanded - 1)) == "ARCHIVE_BOMB"


def test_the_ratio_is_exact():
    noise = os.urandom(100_000)
    data = gzip.compress(docker_archive([layer(data=bytes(1_900_000) + noise)]))
    facts = scan(data)
    ratio = facts.expanded_bytes / facts.file_bytes
    assert 15 < ratio < 20

    assert scan(data, replace(LIMITS, ratio_free_bytes=0))
    assert code_of(data, replace(LIMITS, ratio_free_bytes=0, max_ratio=int(ratio))) == "ARCHIVE_BOMB"


def test_a_bomb_inside_a_compressed_layer_counts_too():
    bomb = layer(data=bytes(3_000_000))
    data = oci_archive([bomb])

    assert code_of(data, replace(LIMITS, ratio_free_bytes=1_000_000)) == "ARCHIVE_BOMB"
    assert code_of(data, replace(LIMITS, max_expanded_bytes=3_000_000)) == "IMAGE_TOO_LARGE"


@pytest.mark.slow
def test_a_thousandfold_bomb_stops_within_seconds_and_little_memory():
    one = gzip.compress(bytes(1 << 20))
    bomb = gzip.compress(docker_archive()[:-1024]) + one * 1024  # says 1 GiB in about a megabyte
    tracemalloc.start()
    started = time.process_time()

    code = code_of(bomb)

    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert code in ("ARCHIVE_BOMB", "ARCHIVE_CORRUPT")
    assert time.process_time() - started < 5
    assert peak_bytes < 40 << 20


@pytest.mark.slow
def test_memory_stays_flat_however_large_the_layer(tmp_path: Path):
    path = tmp_path / "image.tar"
    path.write_bytes(docker_archive([layer(data=os.urandom(64 << 20))]))
    tracemalloc.start()

    scan_archive(path)

    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak_bytes < 40 << 20


def test_a_pax_header_has_a_bounded_number_of_records():
    """A megabyte of them, which a layer may have for each file, took seconds, and a kilobyte of gzip holds it."""

    def archives(records: int) -> list[bytes]:
        pax = Member("pax", b"5 a=\n" * records, {"type": tarfile.XHDTYPE})
        return [docker_archive([tar([pax, Member("app/model.py")])]), tar([pax, *docker_members([layer()])])]

    assert all(scan(archive).layout == "docker" for archive in archives(1000))
    assert [code_of(archive) for archive in archives(1001)] == ["ARCHIVE_CORRUPT"] * 2


@pytest.mark.parametrize("layout", ["docker", "oci"])
def test_json_that_is_listed_many_times_is_read_once(layout: str, monkeypatch: pytest.MonkeyPatch):
    """Eight megabytes may name one config, of as many megabytes, three hundred thousand times."""
    if layout == "docker":
        members = docker_members([layer()])
        [manifest] = [member for member in members if member.name == "manifest.json"]
        listed = json.loads(manifest.data) + [json.loads(manifest.data)[0] | {"Layers": []}] * 200
    else:
        members = oci_members([{"layers": [layer()]}])
        [manifest] = [member for member in members if member.name == "index.json"]
        index = json.loads(manifest.data)
        listed = index | {"manifests": index["manifests"] * 200}
    rest = [member for member in members if member is not manifest]
    parsed: list[bytes] = []
    by_us = go_json.parse

    def parse(text: bytes) -> Any:
        parsed.append(text)
        return by_us(text)

    monkeypatch.setattr(go_json, "parse", parse)
    archive = tar([*rest, Member(manifest.name, as_bytes(listed))])
    assert (scan(archive).layout if layout == "oci" else code_of(archive)) in ("oci", "IMAGE_COUNT")
    assert len(parsed) < 10
