"""Whatever is done to an archive: a code of ours, or an image whose every layer is what its config says."""

import gzip
import hashlib
import io
import tarfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from submissions.faults import ParticipantError
from submissions.intake.image.decompress import GzipDecompressor
from submissions.intake.image.rewrite import rewritten
from submissions.intake.image.scan import scan_archive
from submissions.tests.image_archives import docker_archive, layer, oci_archive

pytestmark = pytest.mark.slow

LAYERS = [layer("a"), layer("b", b"x" * 3000)]
SEEDS = [
    docker_archive(LAYERS),
    gzip.compress(docker_archive(LAYERS)),
    oci_archive(LAYERS),
    gzip.compress(oci_archive(LAYERS)),
]
CHANGES = st.lists(
    st.tuples(st.floats(0, 1, exclude_max=True), st.sampled_from(["flip", "drop", "copy", "cut"]), st.integers(1, 700)),
    min_size=1, max_size=4,
)  # fmt: skip


def changed(data: bytes, changes: list[tuple[float, str, int]]) -> bytes:
    for place, how, amount in changes:
        at = int(place * len(data))
        if how == "flip":
            data = data[:at] + bytes([data[at] ^ (amount % 255 + 1)]) + data[at + 1 :] if data else data
        elif how == "drop":
            data = data[:at] + data[at + amount :]
        elif how == "copy":
            data = data[:at] + data[at : at + amount] + data[at:]
        else:
            data = data[: max(at, 1)]
    return data


def check(data: bytes) -> None:
    """Scan; if the archive is taken, prove the layers from what the engine would be given."""
    file = io.BytesIO(data)
    try:
        facts = scan_archive(file)
    except ParticipantError:
        return
    with tarfile.open(fileobj=io.BytesIO(b"".join(rewritten(file, facts)))) as archive:
        for diff_id in facts.diff_ids:
            member = archive.extractfile(diff_id[7:] + ".tar")
            assert member is not None
            assert "sha256:" + hashlib.sha256(member.read()).hexdigest() == diff_id


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(SEEDS), CHANGES)
def test_a_damaged_archive_is_refused_or_still_true(data: bytes, changes: list[tuple[float, str, int]]):
    check(changed(data, changes))


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=2000), st.sampled_from([b"", b"\x1f\x8b\x08\x00", bytes(512)]))
def test_noise_is_refused(noise: bytes, start: bytes):
    check(start + noise)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(1, 5000), min_size=1, max_size=40), st.integers(1, 3))
def test_gzip_unpacks_the_same_however_it_is_cut(sizes: list[int], members: int):
    whole = b"lunasite" * 20_000
    third = len(whole) // members
    cuts = [whole[i * third : (i + 1) * third if i < members - 1 else None] for i in range(members)]
    packed = b"".join(gzip.compress(cut) for cut in cuts)
    inflater, out = GzipDecompressor(), []
    while packed:
        for size in sizes:
            out += inflater.feed(packed[:size])
            packed = packed[size:]
    inflater.finish()

    assert b"".join(out) == whole
