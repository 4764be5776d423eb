"""What the image may be, as `docker save` writes it: rows U13–U15, U17 and U20–U24 of the catalogue."""

import bz2
import gzip
import lzma
import re
import tarfile
import time
from pathlib import Path
from typing import Any

import pytest

from submissions.failures import FAILURES
from submissions.faults import ParticipantError
from submissions.intake.image import scan as archive_module
from submissions.tests.image_archives import (
    Member,
    code_of,
    config,
    digest,
    docker_archive,
    docker_members,
    layer,
    oci_archive,
    scan,
    tar,
)

EMPTY_LAYER = bytes(1024)


# ---- manifest.json


def test_a_tar_without_manifest_has_no_image():
    assert code_of(tar([Member("README", b"hello")])) == "IMAGE_NO_MANIFEST"


@pytest.mark.parametrize(
    "manifest",
    [
        b"not json",
        b"",
        b"{}",
        b"[]",
        b"null",
        b"[null]",
        b"[{}]",
        b'"text"',
        b"[NaN]",
        b"[" * 200_000,
        b"\xff\xfe[]",
        b" " * (9 << 20) + b"[]",
        [{"Config": 7, "Layers": []}],
        [{"Config": "c.json", "Layers": "000/layer.tar"}],
        [{"Config": "c.json", "Layers": [1]}],
        [{"Config": "c.json", "config": "d.json", "Layers": ["000/layer.tar"]}],
        [{"Config": "c.json", "Layers": []}],
        [{"Config": "../c.json", "Layers": ["000/layer.tar"]}],
        [{"Config": "c.json", "Layers": ["../../etc/passwd"]}],
        [{"Config": "c.json", "Layers": ["/etc/passwd"]}],
        [{"Config": "c.json", "Layers": ["absent/layer.tar"]}],
        [{"Config": "c.json", "Layers": ["a\0b"]}],
        [{"Config": "\ud800", "Layers": ["000/layer.tar"]}],
    ],
)
def test_an_unusable_manifest_is_named(manifest: Any):
    assert code_of(docker_archive(manifest=manifest)) == "IMAGE_BAD_MANIFEST"


def test_a_manifest_that_is_a_link_is_refused():
    link = Member("manifest.json", header={"type": tarfile.SYMTYPE, "linkname": "real.json"})
    members = docker_members([layer()])
    assert code_of(tar([*members[:-1], Member("real.json", members[-1].data), link])) == "IMAGE_BAD_MANIFEST"


def test_a_manifest_named_with_a_dot_is_still_ours_to_read():
    members = docker_members([layer()])
    members[-1].name = "./manifest.json"
    assert scan(tar(members)).layout == "docker"


def test_two_images_are_too_many():
    one = {"Config": "c.json", "Layers": ["000/layer.tar"]}
    assert code_of(docker_archive(manifest=[one, one | {"Config": "d.json"}])) == "IMAGE_COUNT"


def test_tags_are_of_no_account():
    tagged = docker_archive(tags=["python:3.11-slim", "lunasite/driver:latest"])
    assert scan(tagged).image_id == scan(docker_archive()).image_id


# ---- layers


def test_a_layer_must_have_the_digest_the_config_names():
    assert code_of(docker_archive([layer()], stored=[layer(data=b"other")])) == "IMAGE_LAYER_MISMATCH"


@pytest.mark.parametrize("stored", [b"", EMPTY_LAYER, bytes(10_240)])
def test_borrowed_digests_over_empty_layers_are_refused(stored: bytes):
    assert code_of(docker_archive([layer()], stored=[stored])) == "IMAGE_LAYER_MISMATCH"


@pytest.mark.parametrize("known", [0, 2])
def test_layers_and_digests_come_in_equal_numbers(known: int):
    image = config([layer()]) | {"rootfs": {"type": "layers", "diff_ids": [digest(layer())] * known}}
    assert code_of(docker_archive(image=image)) == "IMAGE_BAD_MANIFEST"


def test_an_image_has_up_to_127_layers():
    started = time.process_time()

    assert code_of(docker_archive([])) == "IMAGE_BAD_MANIFEST"
    assert len(scan(docker_archive([layer(str(n)) for n in range(127)])).diff_ids) == 127
    assert code_of(docker_archive([layer(str(n)) for n in range(128)])) == "IMAGE_TOO_MANY_LAYERS"
    assert time.process_time() - started < 2


def test_a_repeated_layer_is_kept_once_and_counted_twice():
    facts = scan(docker_archive([EMPTY_LAYER, layer(), EMPTY_LAYER]))

    assert len(facts.diff_ids) == 3
    assert len(facts.layers) == 2


def test_a_layer_that_is_no_tar_is_refused():
    assert code_of(docker_archive([b"x" * 2000])) == "ARCHIVE_CORRUPT"


def test_a_gzipped_layer_is_known_by_what_it_unpacks_to():
    plain = scan(docker_archive([layer()]))
    packed = scan(docker_archive([layer()], stored=[gzip.compress(layer())]))

    assert packed.diff_ids == plain.diff_ids
    assert packed.layers[0].compression == "gzip"
    assert packed.layers[0].expanded_bytes == plain.layers[0].stored_bytes


@pytest.mark.parametrize("cut", [1, 8, 60])
def test_a_damaged_gzipped_layer_is_corrupt(cut: int):
    assert code_of(docker_archive([layer()], stored=[gzip.compress(layer())[:-cut]])) == "ARCHIVE_CORRUPT"


@pytest.mark.parametrize("stored", [bz2.compress(layer()), lzma.compress(layer())])
def test_a_layer_of_another_compression_is_refused_clearly(stored: bytes):
    assert code_of(docker_archive([layer()], stored=[stored])) == "COMPRESSION_NOT_SUPPORTED"
    assert code_of(oci_archive([layer()], stored=[stored])) == "COMPRESSION_NOT_SUPPORTED"


def test_no_note_holds_a_digest():
    with pytest.raises(ParticipantError) as caught:
        scan(docker_archive([layer()], stored=[EMPTY_LAYER]))
    assert digest(layer())[7:] not in caught.value.note


def test_every_code_has_a_sentence_in_the_failure_table():
    sources = Path(archive_module.__file__).parent.glob("*.py")
    codes = {
        code
        for path in sources
        for code in re.findall(r'"((?:UPLOAD|ARCHIVE|IMAGE|COMPRESSION)_[A-Z_]+)"', path.read_text())
    }

    assert len(codes) > 15
    assert codes <= FAILURES.keys()
