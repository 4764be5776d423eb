"""Archives as jib, kaniko, buildx, Docker 25 and macOS write them, and layers with odd ends: rebuilt, not copied."""

import gzip
import io
import json
import tarfile
from collections.abc import Callable

import pytest

from submissions.intake.image.rewrite import rewritten
from submissions.tests.image_archives import Member, as_bytes, blob_name, config, digest, layer, oci_members, scan, tar

LAYERS = [layer(), layer("app/weights", b"w" * 3000)]
CONFIG = as_bytes(config(LAYERS))


def hexes(data: bytes) -> str:
    return digest(data).removeprefix("sha256:")


def manifest(config_name: str, names: list[str], **more: object) -> Member:
    return Member("manifest.json", as_bytes([{"Config": config_name, "RepoTags": ["m:1"], "Layers": names} | more]))


def jib() -> bytes:
    """A `config.json` by that name, layers gzip-compressed and named by their diff_ids."""
    names = [f"{hexes(layer)}.tar.gz" for layer in LAYERS]
    stored = [Member(name, gzip.compress(item)) for name, item in zip(names, LAYERS, strict=True)]
    return tar([*stored, Member("config.json", CONFIG), manifest("config.json", names)])


def kaniko() -> bytes:
    """The config is named by its digest with a colon, the layers by that of their gzip."""
    packed = [gzip.compress(layer) for layer in LAYERS]
    names = [f"{hexes(item)}.tar.gz" for item in packed]
    stored = [Member(name, item) for name, item in zip(names, packed, strict=True)]
    return tar([*stored, Member(digest(CONFIG), CONFIG), manifest(digest(CONFIG), names)])


def docker25() -> bytes:
    """OCI blobs under manifest.json with LayerSources, two tags, and an index beside it."""
    members = oci_members([{"layers": LAYERS}])
    sources = {
        digest(layer): {"mediaType": "application/vnd.oci.image.layer.v1.tar", "size": len(layer)} for layer in LAYERS
    }
    names = [blob_name(digest(layer)) for layer in LAYERS]
    both = manifest(blob_name(digest(CONFIG)), names, RepoTags=["m:1", "m:latest"], LayerSources=sources)
    return tar([Member("blobs/", header={"type": tarfile.DIRTYPE}), *members, both])


def buildx() -> bytes:
    """An index of an image and of its provenance, which is of platform unknown/unknown."""
    statement = b'{"_type": "https://in-toto.io/Statement/v0.1"}'
    about = as_bytes({"architecture": "unknown", "os": "unknown", "rootfs": {"diff_ids": [digest(statement)]}})
    provenance = as_bytes(
        {
            "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": digest(about), "size": 1},
            "layers": [{"mediaType": "application/vnd.in-toto+json", "digest": digest(statement), "size": 1}],
        }
    )
    listed = {
        "digest": digest(provenance),
        "annotations": {"vnd.docker.reference.type": "attestation-manifest"},
        "platform": {"os": "unknown", "architecture": "unknown"},
    }
    stored = [gzip.compress(layer) for layer in LAYERS]
    blobs = [Member(blob_name(digest(item)), item) for item in (statement, about, provenance)]
    return tar([*oci_members([{"layers": LAYERS, "stored": stored}], [listed]), *blobs])


def macos() -> bytes:
    """Packed again at its top, every member with its ._ file."""
    members = [Member(f"{hexes(layer)}/layer.tar", layer) for layer in LAYERS]
    members += [Member(f"{hexes(CONFIG)}.json", CONFIG)]
    members += [manifest(f"{hexes(CONFIG)}.json", [f"{hexes(layer)}/layer.tar" for layer in LAYERS])]
    out = []
    for member in members:
        folder, _, name = member.name.rpartition("/")
        double = f"./{folder}/._{name}" if folder else f"./._{name}"
        out += [Member(double, b"\0\5\x16\7" + bytes(100)), Member(f"./{member.name}", member.data)]
    return tar(out)


@pytest.mark.parametrize("build", [jib, kaniko, docker25, buildx, macos])
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_every_builders_archive_is_the_same_image(build: Callable[[], bytes], pack: Callable[[bytes], bytes]):
    data = pack(build())

    facts = scan(data)

    assert facts.image_id == digest(CONFIG)
    assert facts.diff_ids == tuple(digest(layer) for layer in LAYERS)
    again = scan(b"".join(rewritten(io.BytesIO(data), facts)))
    assert (again.image_id, again.diff_ids) == (facts.image_id, facts.diff_ids)


@pytest.mark.parametrize("odd", [b"", bytes(10_240), bytes(1024), layer().rstrip(b"\0") + bytes(498)])
def test_a_layer_may_be_empty_or_lack_its_end(odd: bytes):
    layers = [LAYERS[0], odd, LAYERS[1]]
    about = as_bytes(config(layers))
    names = [f"{number}/layer.tar" for number in range(3)]
    stored = [Member(name, item) for name, item in zip(names, layers, strict=True)]

    assert scan(tar([*stored, Member("c.json", about), manifest("c.json", names)])).diff_ids[1] == digest(odd)


@pytest.mark.parametrize(("kind", "target"), [(tarfile.LNKTYPE, "b/layer.tar"), (tarfile.SYMTYPE, "../b/layer.tar")])
def test_a_repeated_layer_may_be_a_link(kind: bytes, target: str):
    layers = [LAYERS[0], LAYERS[1], LAYERS[1]]
    about = as_bytes(config(layers))
    names = ["a/layer.tar", "b/layer.tar", "c/layer.tar"]
    stored = [Member(name, item) for name, item in zip(names[:2], LAYERS, strict=True)]
    link = Member("c/layer.tar", header={"type": kind, "linkname": target})

    facts = scan(tar([*stored, link, Member("c.json", about), manifest("c.json", names)]))

    assert len(facts.diff_ids) == 3
    assert json.loads(facts.config_json)["rootfs"]["diff_ids"][1:] == [digest(LAYERS[1])] * 2
