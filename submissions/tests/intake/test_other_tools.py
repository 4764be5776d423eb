"""Archives as today's tools write them: zstd layers, several platforms, artifacts beside the image, odd tars."""

import gzip
import io
import tarfile
import time
import tracemalloc
from typing import Any

import pytest
from backports import zstd

from submissions.faults import ParticipantError
from submissions.intake.image.limits import ArchiveLimits
from submissions.intake.image.rewrite import rewritten
from submissions.tests.image_archives import (
    Member,
    as_bytes,
    blob_name,
    code_of,
    config,
    digest,
    docker_archive,
    docker_members,
    layer,
    oci_archive,
    oci_members,
    scan,
    tar,
)

TAR = docker_archive()
LAYERS = [layer(), layer("b", bytes(3_000_000))]


def skippable(data: bytes) -> bytes:
    """Return a zstd frame that readers skip, as zstd:chunked and podman write it."""
    return b"\x52\x2a\x4d\x18" + len(data).to_bytes(4, "little") + data


def chunked(data: bytes) -> bytes:
    """Return a layer as zstd:chunked writes it: a frame a piece, an index in frames that are skipped."""
    pieces = [zstd.compress(data[start : start + 700_000]) for start in range(0, len(data), 700_000)]
    return skippable(b"begin") + b"".join(pieces) + skippable(b"table of contents")


# ---- zstd


@pytest.mark.parametrize("pack", [zstd.compress, chunked])
@pytest.mark.parametrize("outer", [bytes, gzip.compress])
def test_zstd_layers_are_rewritten_uncompressed(pack: Any, outer: Any):
    data = outer(oci_archive(LAYERS, [pack(layer) for layer in LAYERS]))

    facts = scan(data)

    assert facts.diff_ids == tuple(digest(layer) for layer in LAYERS)
    again = scan(b"".join(rewritten(io.BytesIO(data), facts)))
    assert (again.image_id, again.diff_ids) == (facts.image_id, facts.diff_ids)
    assert {layer.compression for layer in again.layers} == {""}


def test_a_zstd_layer_is_held_to_its_diff_id():
    with pytest.raises(ParticipantError) as caught:
        scan(oci_archive([layer()], [zstd.compress(layer("other"))]))
    assert caught.value.code == "IMAGE_LAYER_MISMATCH"
    assert "plain or compressed with gzip" in caught.value.note


@pytest.mark.parametrize("keep", [5, 20, -1])
def test_a_cut_or_damaged_zstd_layer_is_corrupt(keep: int):
    assert code_of(oci_archive([layer()], [zstd.compress(layer())[:keep]])) == "ARCHIVE_CORRUPT"
    assert code_of(oci_archive([layer()], [zstd.compress(layer()) + b"garbage"])) == "ARCHIVE_CORRUPT"


@pytest.mark.slow
def test_a_zstd_bomb_stops_in_little_time_and_memory():
    bomb = zstd.compress(bytes(64 << 20)) * 400  # 25 GiB in under a megabyte
    data = oci_archive([layer()], [bomb])
    tracemalloc.start()
    started = time.process_time()

    code = code_of(data)

    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert code == "ARCHIVE_BOMB"
    assert time.process_time() - started < 5
    assert peak_bytes < 40 << 20


def test_a_window_over_128_mib_is_refused_before_it_is_reserved():
    options = {zstd.CompressionParameter.window_log: 28, zstd.CompressionParameter.content_size_flag: 0}
    packer = zstd.ZstdCompressor(options=options)
    wide = packer.compress(layer()) + packer.flush()

    assert code_of(oci_archive([layer()], [wide])) == "ARCHIVE_CORRUPT"


def test_millions_of_empty_streams_are_a_bound_not_a_wait(monkeypatch):
    monkeypatch.setattr("submissions.intake.image.decompress._MAX_STREAMS", 1000)
    frames = zstd.compress(b"") * 1500

    assert code_of(oci_archive([layer()], [frames + zstd.compress(layer())])) == "ARCHIVE_CORRUPT"
    assert code_of(oci_archive([layer()], [gzip.compress(b"") * 1500 + gzip.compress(layer())])) == "ARCHIVE_CORRUPT"


# ---- several platforms


def platforms(*machines: str, **manifest: Any) -> list[Member]:
    """Return an OCI layout of one image for several machines, each with a layer of its own."""
    images = []
    for machine in machines:
        own = [layer(data=machine.encode())]
        images.append({"layers": own, "image": config(own) | {"architecture": machine}})
    return oci_members(images)


def test_of_several_platforms_ours_is_taken():
    facts = scan(tar(platforms("arm64", "amd64", "s390x")))
    assert facts.diff_ids == (digest(layer(data=b"amd64")),)


def test_without_ours_the_platforms_are_named():
    data = tar(platforms("arm64", "s390x"))
    assert code_of(data) == "IMAGE_ARCHITECTURE"


def test_two_images_for_our_platform_are_too_many():
    images = [{"layers": [layer(data=name)]} for name in (b"one", b"two")]
    assert code_of(tar(oci_members(images))) == "IMAGE_COUNT"


def test_one_image_under_two_names_is_one():
    members = docker_members([layer()])
    [image] = __import__("json").loads(members[-1].data)
    members[-1] = Member("manifest.json", as_bytes([image | {"RepoTags": ["a:1"]}, image | {"RepoTags": ["b:1"]}]))

    assert scan(tar(members)).diff_ids == scan(TAR).diff_ids


def test_manifest_json_of_another_machine_gives_way_to_the_index():
    """Docker on an arm64 Mac lists its own platform in manifest.json and all in index.json."""
    members = {member.name: member for member in platforms("arm64", "amd64")}
    arm = [layer(data=b"arm64")]
    arm_config = as_bytes(config(arm) | {"architecture": "arm64"})
    manifest = [{"Config": blob_name(digest(arm_config)), "Layers": [blob_name(digest(arm[0]))]}]
    members["manifest.json"] = Member("manifest.json", as_bytes(manifest))

    assert scan(tar(members.values())).diff_ids == (digest(layer(data=b"amd64")),)


# ---- artifacts


def with_artifact(manifest: dict[str, Any], **descriptor: Any) -> bytes:
    data = as_bytes(manifest)
    listed = {"digest": digest(data), "size": len(data)} | descriptor
    blobs = [Member(blob_name(digest(data)), data), Member(blob_name(digest(b"{}")), b"{}")]
    return tar([*oci_members([{"layers": [layer()]}], [listed]), *blobs])


EMPTY = {"mediaType": "application/vnd.oci.empty.v1+json", "digest": digest(b"{}"), "size": 2}
UNTYPED = {"digest": digest(b"{}"), "size": 2}


@pytest.mark.parametrize(
    "manifest",
    [
        {"config": EMPTY, "layers": [EMPTY]},
        {"artifactType": "application/spdx+json", "config": UNTYPED, "layers": [UNTYPED]},
        {"subject": UNTYPED, "config": UNTYPED, "layers": [UNTYPED]},
        {"config": UNTYPED, "layers": [UNTYPED | {"mediaType": "application/vnd.in-toto+json"}]},
        {"config": UNTYPED | {"mediaType": "application/vnd.cncf.helm.config.v1+json"}, "layers": [UNTYPED]},
        {"artifactType": "x/y", "manifests": []},
    ],
)
def test_artifacts_beside_the_image_are_left_out(manifest: dict[str, Any]):
    assert scan(with_artifact(manifest)).diff_ids == (digest(layer()),)


def test_artifacts_alone_are_not_an_image():
    data = as_bytes({"artifactType": "x/y", "config": EMPTY, "layers": [EMPTY]})
    members = oci_members([], [{"digest": digest(data)}])
    assert code_of(tar([*members, Member(blob_name(digest(data)), data)])) == "IMAGE_COUNT"


# ---- packed again


def repacked(members: list[Member], folder: str) -> bytes:
    """Return members packed again by macOS's tar from the folder above: each with its ._ file."""
    out = [
        Member(f"./._{folder}", b"\0\5\x16\7" + bytes(100)),
        Member(f"./{folder}/", header={"type": tarfile.DIRTYPE}),
    ]
    for member in members:
        base, _, name = member.name.rpartition("/")
        out.append(
            Member(f"./{folder}/{base}/._{name}" if base else f"./{folder}/._{name}", b"\0\5\x16\7" + bytes(100))
        )
        header = member.header
        out.append(Member(f"./{folder}/{member.name}", member.data, header))
    return tar(out)


@pytest.mark.parametrize("members", [docker_members([layer()]), oci_members([{"layers": [layer()]}])])
def test_a_layout_one_folder_down_is_found(members: list[Member]):
    assert scan(repacked(members, "model")).diff_ids == (digest(layer()),)


def test_links_between_layers_hold_one_folder_down():
    members = docker_members([layer(), layer()])
    members[1] = Member("001/layer.tar", header={"type": tarfile.SYMTYPE, "linkname": "../000/layer.tar"})

    assert len(scan(repacked(members, "model")).diff_ids) == 2


def test_layouts_in_two_folders_are_two_images():
    twice = [Member(f"{folder}/{member.name}", member.data) for folder in "ab" for member in docker_members([layer()])]
    assert code_of(tar(twice)) == "IMAGE_COUNT"


def test_a_web_applications_manifest_is_not_a_layout():
    members = [Member("site/manifest.json", b'{"name": "my app", "icons": []}'), Member("site/a.html", b"<p>")]
    assert code_of(tar(members)) == "IMAGE_NO_MANIFEST"


# ---- the end of the tar


def without_end(data: bytes) -> bytes:
    """Return a tar without the zeros that end it."""
    kept = data.rstrip(b"\0")
    return kept + bytes(-len(kept) % 512)


@pytest.mark.parametrize("zero_blocks", [0, 1, 3])
def test_a_missing_end_is_taken_when_all_is_there(zero_blocks: int):
    data = without_end(TAR) + bytes(512 * zero_blocks)

    facts = scan(data)

    assert facts.diff_ids == (digest(layer()),)
    assert scan(b"".join(rewritten(io.BytesIO(data), facts))).image_id == facts.image_id


def test_a_tar_cut_between_two_members_is_called_cut():
    members = docker_members([layer(), layer("b")])
    for kept in range(1, len(members)):
        assert code_of(without_end(tar(members[:kept]))) == "ARCHIVE_CORRUPT"


def test_a_missing_end_hides_no_other_fault():
    image = config([layer()], Env=["LD_PRELOAD=/x.so"])
    assert code_of(without_end(docker_archive([layer()], image=image))) == "IMAGE_FORBIDDEN_ENV"


# ---- empty loader variables


def test_an_empty_loader_variable_is_taken():
    image = config([layer()], Env=["LD_PRELOAD=", "PATH=/bin"])
    assert scan(docker_archive([layer()], image=image)).config.env_names == ("LD_PRELOAD", "PATH")


def test_the_limits_of_layers_hold_for_zstd_too():
    many = tar([Member(f"f{number}") for number in range(50)])
    data = oci_archive([many], [zstd.compress(many)])

    assert code_of(data, ArchiveLimits(max_layer_members=49)) == "ARCHIVE_TOO_MANY_MEMBERS"
    assert scan(data, ArchiveLimits(max_layer_members=50))
