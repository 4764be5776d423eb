"""What lies inside a layer, as far as it decides how much an engine will write."""

import dataclasses
import gzip
import io
import tarfile

import pytest

from submissions.faults import ParticipantError
from submissions.intake.image.layer.headers import LayerHeaders
from submissions.intake.image.scan import DEFAULT_LIMITS, scan_archive
from submissions.tests.image_archives import (
    Member,
    as_bytes,
    config,
    docker_archive,
    docker_members,
    layer,
    oci_archive,
    tar,
)

SPARSE = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.realsize": "10000000000000"}


def pax_layer(*members: Member) -> bytes:
    return tar(members, tarfile.PAX_FORMAT)


def sparse_layer(name: str = "app/big") -> bytes:
    return pax_layer(Member("app/small", b"x" * 700), Member(name, bytes(512), {"pax_headers": SPARSE}))


def old_sparse_layer() -> bytes:
    return tar([Member("app/big", b"", {"type": tarfile.GNUTYPE_SPARSE})])


def code_of(data: bytes, **limits: int) -> str:
    with pytest.raises(ParticipantError) as caught:
        scan_archive(io.BytesIO(data), dataclasses.replace(DEFAULT_LIMITS, **limits))
    return caught.value.code


@pytest.mark.parametrize("sparse", [sparse_layer(), old_sparse_layer()], ids=["pax", "old"])
def test_a_layer_with_a_sparse_file_is_refused_in_every_layout(sparse: bytes):
    archives = [
        docker_archive([layer(), sparse]),
        docker_archive([sparse], stored=[gzip.compress(sparse)]),
        oci_archive([sparse]),
        gzip.compress(docker_archive([sparse])),
    ]
    assert [code_of(data) for data in archives] == ["ARCHIVE_BAD_MEMBER"] * 4


@pytest.mark.parametrize(
    "attributes",
    [{"SCHILY.xattr.user.a": "x" * 3000}, {f"SCHILY.xattr.user.a{number}": "x" for number in range(60)}],
    ids=["long", "many"],
)
def test_attributes_that_no_file_system_keeps_are_refused(attributes: dict[str, str]):
    attributed = pax_layer(Member("a", b"x", {"pax_headers": attributes}))
    assert code_of(docker_archive([attributed])) == "ARCHIVE_BAD_MEMBER"


@pytest.mark.parametrize(
    "members",
    [
        [Member("a", b"x" * 1000), Member("b", b""), Member("dir", b"", {"type": tarfile.DIRTYPE})],
        [Member("a", b"x", {"pax_headers": {"SCHILY.xattr.user.GNU.sparse.": "1", "mtime": "1.5"}})],
        [Member("a", b"x", {"pax_headers": {"SCHILY.xattr.security.capability": "x" * 20, "comment": "y" * 5000}})],
        [Member("n" * 400, b"y" * 5000), Member("l", b"", {"type": tarfile.SYMTYPE, "linkname": "t" * 300})],
        [Member("null", b"", {"type": tarfile.CHRTYPE, "devmajor": 1, "devminor": 3})],
    ],
    ids=["plain", "attributes", "capability", "long names", "device"],
)
@pytest.mark.parametrize("format", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_what_builders_write_is_taken(members: list[Member], format: int):
    assert len(scan_archive(io.BytesIO(docker_archive([tar(members, format)]))).diff_ids) == 1


def hidden_by_size() -> bytes:
    """A sparse member that only a reader who heeds the pax size of the one before it can see."""
    inside = sparse_layer()
    return pax_layer(Member("a", inside, {"pax_headers": {"size": "0"}}))


def hidden_below_a_directory() -> bytes:
    """A directory with a size: its bytes are members to an engine, and none to a careless reader."""
    directory = tarfile.TarInfo("dir")
    directory.type, directory.size = tarfile.DIRTYPE, len(sparse_layer())
    return directory.tobuf(tarfile.USTAR_FORMAT) + sparse_layer()


@pytest.mark.parametrize("data", [hidden_by_size(), hidden_below_a_directory()], ids=["size", "directory"])
def test_no_member_hides_behind_a_size(data: bytes):
    assert code_of(docker_archive([data])) in ("ARCHIVE_BAD_MEMBER", "ARCHIVE_CORRUPT")


@pytest.mark.parametrize("step", [1, 7, 511, 512, 513, 4096])
def test_headers_are_found_however_the_bytes_are_cut(step: int):
    data, headers = sparse_layer("deep/" * 30 + "big"), LayerHeaders(10)
    for at in range(0, len(data), step):
        headers.feed(data[at : at + step])
    assert headers.fault is not None
    assert headers.fault.code == "ARCHIVE_BAD_MEMBER"


def test_an_endless_extension_header_is_never_held():
    header, headers = tarfile.TarInfo("x"), LayerHeaders(10)
    header.type, header.size = tarfile.XHDTYPE, 6 << 30
    headers.feed(header.tobuf(tarfile.GNU_FORMAT) + bytes(1 << 20))
    assert headers.fault is not None


def named_often(data: bytes, times: int) -> bytes:
    """Return an archive that holds a layer once, and whose image consists of it `times` over."""
    stored, image, _ = docker_members([data], image=config([data] * times))
    manifest = [{"Config": image.name, "Layers": [stored.name] * times}]
    return tar([stored, image, Member("manifest.json", as_bytes(manifest))])


def test_a_layer_named_often_counts_as_often():
    data = named_often(layer("big", bytes(100_000)), 100)

    assert scan_archive(io.BytesIO(data)).expanded_bytes > 10_000_000
    assert code_of(data, ratio_free_bytes=1_000_000) == "ARCHIVE_BOMB"
    assert code_of(data, max_expanded_bytes=5_000_000) == "IMAGE_TOO_LARGE"


def test_copies_that_lie_in_the_archive_are_not_counted_twice():
    data = docker_archive([layer("big", bytes(100_000))] * 10)
    assert scan_archive(io.BytesIO(data)).expanded_bytes == len(data)


def test_the_files_of_all_layers_are_counted():
    """A directory is 512 bytes of tar, but an inode and a block of the engine's disk."""
    many = tar([Member(f"d{number}", header={"type": tarfile.DIRTYPE}) for number in range(6)])
    archives = [docker_archive([many, layer()]), docker_archive([many, layer()], stored=[gzip.compress(many), layer()])]

    for archive in archives:
        assert scan_archive(io.BytesIO(archive), dataclasses.replace(DEFAULT_LIMITS, max_layer_members=7))
        assert code_of(archive, max_layer_members=6) == "ARCHIVE_TOO_MANY_MEMBERS"
        assert code_of(archive, max_layer_members=5) == "ARCHIVE_TOO_MANY_MEMBERS"
    assert code_of(docker_archive([many, many]), max_layer_members=11) == "ARCHIVE_TOO_MANY_MEMBERS"
