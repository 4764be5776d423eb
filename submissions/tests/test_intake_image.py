"""What the image may be: rows U13–U24 and U30–U35 of the catalogue, both layouts."""

import bz2
import gzip
import io
import re
import tarfile
import time
from pathlib import Path
from typing import Any

import pytest

from submissions.failures import FAILURES
from submissions.intake import archive as archive_module
from submissions.intake.archive import scan_archive
from submissions.intake.archive_errors import ArchiveError
from submissions.intake.image_facts import ImageFacts
from submissions.tests.image_archives import (
    Member,
    as_bytes,
    blob_name,
    config,
    digest,
    docker_archive,
    docker_members,
    layer,
    oci_archive,
    oci_members,
    tar,
)

EMPTY_LAYER = bytes(1024)


def scan(data: bytes) -> ImageFacts:
    return scan_archive(io.BytesIO(data))


def code_of(data: bytes) -> str:
    with pytest.raises(ArchiveError) as caught:
        scan(data)
    return caught.value.code


def asking(**asked: Any) -> bytes:
    """Return an archive whose config asks for something."""
    return docker_archive(image=config([layer()], **asked))


def changed(**fields: Any) -> bytes:
    """Return an archive with top-level fields of the config changed."""
    return docker_archive(image=config([layer()]) | fields)


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
    assert code_of(docker_archive(manifest=[one, one])) == "IMAGE_COUNT"


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
    started = time.monotonic()

    assert code_of(docker_archive([])) == "IMAGE_BAD_MANIFEST"
    assert len(scan(docker_archive([layer(str(n)) for n in range(127)])).diff_ids) == 127
    assert code_of(docker_archive([layer(str(n)) for n in range(128)])) == "IMAGE_TOO_MANY_LAYERS"
    assert time.monotonic() - started < 2


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
    assert packed.layers[0].is_gzip
    assert packed.layers[0].expanded_bytes == plain.layers[0].stored_bytes


@pytest.mark.parametrize("cut", [1, 8, 60])
def test_a_damaged_gzipped_layer_is_corrupt(cut: int):
    assert code_of(docker_archive([layer()], stored=[gzip.compress(layer())[:-cut]])) == "ARCHIVE_CORRUPT"


@pytest.mark.parametrize("stored", [bz2.compress(layer()), b"\x28\xb5\x2f\xfd" + bytes(90)])
def test_a_layer_of_another_compression_is_refused_clearly(stored: bytes):
    assert code_of(docker_archive([layer()], stored=[stored])) == "COMPRESSION_NOT_SUPPORTED"
    assert code_of(oci_archive([layer()], stored=[stored])) == "COMPRESSION_NOT_SUPPORTED"


# ---- OCI


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


# ---- config


@pytest.mark.parametrize(
    "image",
    [
        b"not json",
        b"[]",
        b"null",
        b"{" + b'"a":{' * 100_000,
        {"rootfs": {"diff_ids": ["sha256:short"]}},
        {"rootfs": {"diff_ids": "sha256:" + "0" * 64}},
        {"rootfs": {"diff_ids": ["md5:" + "0" * 64]}},
        {"rootfs": []},
        {"config": []},
        {"config": {"Cmd": [1]}},
        {"config": {"Cmd": {"a": "b"}}},
        {"config": {"Cmd": ["a\0b"]}},
        {"config": {"User": ["root"]}},
        {"config": {"User": "\ud800"}},
        {"config": {"Env": "A=B"}},
        {"config": {"Volumes": ["/data"]}},
        {"config": {"ExposedPorts": {"http": {}}}},
        {"config": {"ExposedPorts": {"70000/tcp": {}}}},
        {"config": {"ExposedPorts": {"٣/tcp": {}}}},
        {"config": {"Cmd": ["a"], "cmd": ["b"]}},
        {"config": {"Cmd": ["a"], "ENV": [], "Env": []}},
    ],
)
def test_an_unusable_config_is_named(image: Any):
    whole = image if isinstance(image, bytes) else config([layer()]) | image
    assert code_of(docker_archive(image=whole)) == "IMAGE_BAD_CONFIG"


def test_a_repeated_key_is_refused():
    text = as_bytes(config([layer()]))
    assert code_of(docker_archive(image=text[:-1] + b',"os":"linux"}')) == "IMAGE_BAD_CONFIG"


def test_a_field_is_read_in_any_case_as_engines_do():
    hidden = config([layer()])
    hidden["config"] = {"cMD": ["x"], "eNV": ["LD_PRELOAD=/x.so"]}
    assert code_of(docker_archive(image=hidden)) == "IMAGE_FORBIDDEN_ENV"


@pytest.mark.parametrize("target", ["/etc/passwd", "000/layer.tar", "other.json"])
def test_a_config_that_is_a_link_or_missing_is_refused(target: str):
    members = docker_members([layer()])
    kept = [member for member in members if member.name != members[1].name]
    link = Member(members[1].name, header={"type": tarfile.SYMTYPE, "linkname": target})
    other = Member("other.json", members[1].data)

    assert code_of(tar(kept)) == "IMAGE_BAD_CONFIG"
    assert code_of(tar([link, other, *kept])) == "IMAGE_BAD_CONFIG"


@pytest.mark.parametrize(
    "fields",
    [
        {"architecture": "arm64"},
        {"architecture": None},
        {"architecture": ""},
        {"os": "windows"},
        {"os": None},
        {"architecture": "AMD64"},
    ],
)
def test_only_linux_on_amd64_runs(fields: dict[str, Any]):
    assert code_of(changed(**fields)) == "IMAGE_ARCHITECTURE"


@pytest.mark.parametrize("asked", [{"Cmd": None}, {"Cmd": []}, {"Cmd": [""]}, {"Cmd": None, "Entrypoint": []}])
def test_an_image_needs_something_to_start(asked: dict[str, Any]):
    assert code_of(asking(**asked)) == "IMAGE_NO_COMMAND"


def test_no_inner_config_means_nothing_to_start():
    assert code_of(changed(config=None)) == "IMAGE_NO_COMMAND"


@pytest.mark.parametrize(
    "path",
    [
        "/proc/self/fd/8",
        "/proc",
        "/sys/fs",
        "/dev/shm",
        "//proc/1",
        "/a/../proc",
        "app",
        "../x",
        "/app\n",
        "/p\0",
        "/" + "n" * 256,
        "/" + "n/" * 1024,
    ],
)
def test_the_working_directory_is_the_images_own(path: str):
    assert code_of(asking(WorkingDir=path)) == "IMAGE_BAD_CONFIG"


@pytest.mark.parametrize(("path", "kept"), [("", ""), ("/", "/"), ("/app/", "/app"), ("/process", "/process")])
def test_a_plain_working_directory_is_taken(path: str, kept: str):
    assert scan(asking(WorkingDir=path)).config.working_dir == kept


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "//",
        "/proc",
        "/proc/x",
        "/etc",
        "/etc/",
        "/usr",
        "/dev/shm",
        "/lib64",
        "/./etc",
        "/var/../etc",
        "/input/models",
        "/" + "n" * 256,
        "d",
    ],
)
def test_a_volume_over_a_system_path_is_refused(path: str):
    assert code_of(asking(Volumes={path: {}})) == "IMAGE_BAD_VOLUME"


def test_volumes_are_few_and_normalised():
    assert scan(asking(Volumes={"/data/": {}, "/var/lib/m": {}})).config.volumes == ("/data", "/var/lib/m")
    assert len(scan(asking(Volumes={f"/v{n}": {} for n in range(8)})).config.volumes) == 8
    assert code_of(asking(Volumes={f"/v{n}": {} for n in range(9)})) == "IMAGE_BAD_VOLUME"


@pytest.mark.parametrize(
    "line",
    ["LD_PRELOAD=/x.so", "LD_PRELOAD", "LD_AUDIT=/x", "ld_preload=/x", " LD_PRELOAD=/x", "LD_DEBUG=all"],
)
def test_loader_variables_are_refused(line: str):
    assert code_of(asking(Env=["PATH=/bin", line])) == "IMAGE_FORBIDDEN_ENV"


def test_a_variable_without_a_name_is_refused():
    assert code_of(asking(Env=["PATH=/bin", "=x"])) == "IMAGE_BAD_CONFIG"


@pytest.mark.parametrize("key", ["empty_layer", "Empty_Layer"])
def test_a_history_may_not_tell_of_more_layers_than_there_are(key: str):
    steps = [{"created_by": "COPY"}, {"created_by": "CMD", key: True}]
    assert scan(changed(history=steps)).diff_ids
    assert scan(changed(history=None)).diff_ids
    assert code_of(changed(history=[*steps, {"created_by": "COPY"}])) == "IMAGE_BAD_CONFIG"
    assert code_of(changed(history="none")) == "IMAGE_BAD_CONFIG"


def test_the_environment_is_at_most_64_kib():
    assert scan(asking(Env=["A=" + "x" * (64 * 1024 - 2)])).config.env_names == ("A",)
    assert code_of(asking(Env=["A=" + "x" * (64 * 1024 - 1)])) == "IMAGE_FORBIDDEN_ENV"
    assert code_of(asking(Env=["A=" + "x" * 5_000_000])) == "IMAGE_FORBIDDEN_ENV"


def test_what_cuda_base_images_set_is_taken_and_reported():
    names = ["LD_LIBRARY_PATH", "NVIDIA_VISIBLE_DEVICES"]
    assert list(scan(asking(Env=[f"{name}=all" for name in names])).config.env_names) == names


def test_the_config_is_described():
    facts = scan(
        asking(
            ExposedPorts={"9000/tcp": {}, "8000": {}, "53/udp": {}},
            User="evil",
            Entrypoint="/start",
            StopSignal="SIGRTMIN+3",
            Healthcheck={"Test": ["CMD", "false"]},
            Labels={"Os": "x", "os": "y"},
        )
    ).config

    assert facts.exposed_ports == (8000, 9000)
    assert (facts.user, facts.entrypoint, facts.stop_signal) == ("evil", ("/start",), "SIGRTMIN+3")
    assert facts.has_healthcheck


def test_no_note_holds_a_digest():
    with pytest.raises(ArchiveError) as caught:
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
