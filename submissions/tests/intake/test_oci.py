"""What the image may be, as podman, skopeo and buildkit write it, in an OCI layout: row U31."""

from typing import Any

import pytest

from submissions.tests.image_archives import (
    Member,
    as_bytes,
    blob_name,
    code_of,
    config,
    digest,
    docker_archive,
    layer,
    oci_archive,
    oci_members,
    scan,
    tar,
)


@pytest.mark.parametrize("stored", [None, [layer()]])
def test_an_oci_layout_gives_the_same_image(stored: list[bytes] | None):
    facts = scan(oci_archive([layer()], stored))

    assert facts.layout == "oci"
    assert facts.image_id == scan(docker_archive()).image_id
    assert facts.diff_ids == scan(docker_archive()).diff_ids


def nested(members: list[Member], depth: int, **more: Any) -> list[Member]:
    """Return an OCI layout with its index wrapped in `depth` further ones."""
    by_name = {member.name: member for member in members}
    for _ in range(depth):
        inner = by_name["index.json"].data
        by_name[blob_name(digest(inner))] = Member(blob_name(digest(inner)), inner)
        wrapped = as_bytes({"manifests": [{"digest": digest(inner)}]} | more)
        by_name["index.json"] = Member("index.json", wrapped)
    return list(by_name.values())


def test_an_image_is_found_through_nested_indexes_but_not_for_ever():
    members = oci_members([{"layers": [layer()]}])

    assert scan(tar(nested(members, 1))).layout == "oci"
    assert code_of(tar(nested(members, 9))) == "IMAGE_BAD_MANIFEST"


def test_attestations_are_no_images():
    attestation = as_bytes({"config": {"digest": digest(b"{}")}, "layers": []})
    listed = {
        "digest": digest(attestation),
        "annotations": {"vnd.docker.reference.type": "attestation-manifest"},
        "platform": {"os": "unknown", "architecture": "unknown"},
    }
    members = oci_members([{"layers": [layer()]}], [listed])

    assert scan(tar([*members, Member(blob_name(digest(attestation)), attestation)])).layout == "oci"


def test_platforms_that_were_not_saved_are_left_out():
    elsewhere = {"digest": digest(b"not here"), "platform": {"os": "linux", "architecture": "arm64"}}
    assert scan(tar(oci_members([{"layers": [layer()]}], [elsewhere]))).layout == "oci"


def test_one_image_under_two_tags_is_one_image():
    image = {"layers": [layer()]}
    assert scan(tar(oci_members([image])[:1] + oci_members([image, image])[1:])).layout == "oci"


@pytest.mark.parametrize("images", [[], [{"layers": [layer("a")]}, {"layers": [layer("b")]}]])
def test_no_or_two_oci_images_are_not_one(images: list[dict[str, Any]]):
    assert code_of(tar(oci_members(images))) == "IMAGE_COUNT"


def replaced_blob(data: bytes) -> list[Member]:
    """Return an OCI layout in which the blob holding `data` holds something else."""
    members = oci_members([{"layers": [layer()]}])
    return [Member(m.name, m.data + b" " if m.data == data else m.data) for m in members]


def test_an_oci_blob_must_have_the_digest_in_its_name():
    members = oci_members([{"layers": [layer()]}])
    config_json = as_bytes(config([layer()]))
    manifest = next(m.data for m in members if b"schemaVersion" in m.data and m.name != "index.json")

    assert code_of(tar(replaced_blob(layer()))) == "IMAGE_LAYER_MISMATCH"
    assert code_of(tar(replaced_blob(config_json))) == "IMAGE_BAD_CONFIG"
    assert code_of(tar(replaced_blob(manifest))) == "IMAGE_BAD_MANIFEST"


@pytest.mark.parametrize(
    "index",
    [
        b"[]",
        b"{",
        {"manifests": 3},
        {"manifests": [3]},
        {"manifests": [{}]},
        {"manifests": [{"digest": "sha256:../../x"}]},
        {"manifests": [{"digest": "sha512:" + "0" * 128}]},
        {"manifests": [{"digest": digest(bytes([n]))} for n in range(256)] + [{"digest": digest(b"")}]},
    ],
)
def test_an_unusable_index_is_named(index: Any):
    assert code_of(tar([Member("index.json", as_bytes(index))])) == "IMAGE_BAD_MANIFEST"
