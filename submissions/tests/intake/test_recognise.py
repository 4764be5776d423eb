"""What is not an image says what it is, from its first bytes or from its members; each with a command that works."""

import gzip
import io
import json
import tarfile
from pathlib import Path

import pytest

from submissions.faults import ParticipantError
from submissions.intake.image.recognise.head import HEAD_BYTES, judge_head
from submissions.tests.image_archives import Member, docker_archive, docker_members, layer, oci_archive, scan, tar

SAVE = "docker save -o model.tar"


def refusal(data: bytes, name: str = "model.tar") -> ParticipantError:
    """Return what the head of a file is refused with."""
    with pytest.raises(ParticipantError) as caught:
        judge_head(data[:HEAD_BYTES], name)
    return caught.value


def scan_refusal(data: bytes) -> ParticipantError:
    with pytest.raises(ParticipantError) as caught:
        scan(data)
    return caught.value


def powershell(data: bytes) -> bytes:
    """Return what `docker save m > m.tar` writes in Windows PowerShell: decoded, split into lines, UTF-16."""
    return "\r\n".join(data.decode("latin-1").split("\n")).encode("utf-16")


def sif() -> bytes:
    """Return the beginning of a SIF file: a launch line of 32 bytes, then the magic."""
    return b"#!/usr/bin/env run-singularity\n\0" + b"SIF_MAGIC\0" + bytes(4000)


def export(extra: int = 0) -> bytes:
    """Return what `docker export` writes: a root file system, with a device and links that lead anywhere."""
    folders = [Member(name, header={"type": tarfile.DIRTYPE}) for name in ("boot/", "dev/", "etc/", "home/", "proc/")]
    links = [
        Member("bin", header={"type": tarfile.SYMTYPE, "linkname": "usr/bin"}),
        Member("lib", header={"type": tarfile.SYMTYPE, "linkname": "/usr/lib"}),
    ]
    files = [Member("etc/passwd", b"root:x:0:0::/root:/bin/sh\n"), Member("usr/bin/sh", bytes(100_000))]
    fifo = [Member("run/initctl", header={"type": tarfile.FIFOTYPE})]
    many = [Member(f"usr/share/{number}") for number in range(extra)]
    return tar([Member(".dockerenv"), *links, *folders, *files, *fifo, *many])


def source_folder() -> bytes:
    return tar([Member("project/Dockerfile", b"FROM python:3.11\n"), Member("project/model.pt", bytes(200_000))])


@pytest.mark.parametrize(
    ("data", "code", "words"),
    [
        (powershell(docker_archive()), "UPLOAD_NOT_ARCHIVE", "PowerShell"),
        (powershell(gzip.compress(docker_archive())), "UPLOAD_NOT_ARCHIVE", "PowerShell"),
        (gzip.compress(docker_archive()).replace(b"\x8b", "\ufffd".encode(), 1), "UPLOAD_NOT_ARCHIVE", "changed"),
        (sif(), "UPLOAD_NOT_ARCHIVE", "Singularity"),
        (b"PK\x03\x04" + bytes(100), "UPLOAD_NOT_ARCHIVE", "zip"),
        (b"\n<!DOCTYPE html><html>", "UPLOAD_NOT_ARCHIVE", "web page"),
        (b"version https://git-lfs.github.com/spec/v1\n", "UPLOAD_NOT_ARCHIVE", "git lfs pull"),
        (gzip.compress(gzip.compress(docker_archive())), "UPLOAD_NOT_ARCHIVE", "twice"),
        (gzip.compress(b"PK\x03\x04" + bytes(1000)), "UPLOAD_NOT_ARCHIVE", "zip"),
        (export(), "IMAGE_NO_MANIFEST", "docker export"),
        (gzip.compress(export()), "IMAGE_NO_MANIFEST", "docker export"),
        (source_folder(), "IMAGE_NO_MANIFEST", "Dockerfile"),
        (tar([Member("model.tar", docker_archive())]), "IMAGE_NO_MANIFEST", "'model.tar'"),
        (tar([Member("my/model.tar.gz", gzip.compress(oci_archive()))]), "IMAGE_NO_MANIFEST", "unpack it once"),
        (gzip.compress(tar([Member("model.tar", docker_archive())])), "IMAGE_NO_MANIFEST", "'model.tar'"),
    ],
)
def test_the_head_tells_what_it_is_and_so_does_the_scan(data: bytes, code: str, words: str):
    judged, scanned = refusal(data), scan_refusal(data)

    assert judged.code == scanned.code == code
    assert words in judged.note
    assert words in scanned.note


@pytest.mark.parametrize("data", [powershell(docker_archive()), export(), sif(), bytes(4096) + b"x"])
def test_the_command_works_in_every_shell(data: bytes):
    note = scan_refusal(data).note if data[:1] != b"\0" else refusal(b"no archive").note
    assert SAVE in note
    assert "| gzip" not in note


@pytest.mark.slow
def test_an_export_of_many_files_is_still_called_one():
    data = export(extra=25_000)
    assert scan_refusal(data).note == scan_refusal(export()).note


def test_a_lone_archive_inside_is_found_by_the_scan_whatever_it_is_called():
    assert "unpack it once" in scan_refusal(tar([Member("backup", tar([Member("x/y", bytes(70_000))]))])).note


@pytest.mark.parametrize(
    ("name", "words"),
    [("model.sif", "Singularity"), ("model.ZIP", "zip"), ("model.tar.zst", "compression"), ("Dockerfile", "Build")],
)
def test_the_name_tells_too(name: str, words: str):
    error = refusal(docker_archive(), name)
    assert error.code == "EXTENSION_NOT_ALLOWED"
    assert words in error.note


@pytest.mark.parametrize(
    "data",
    [
        docker_archive(),
        gzip.compress(docker_archive()),
        oci_archive(),
        docker_archive([layer(data=bytes(1 << 20))]),
        tar([Member("Dockerfile", b"FROM x\n"), *docker_members([layer()])]),
        tar([Member("etc/x", b"x"), *docker_members([layer()])]),
        tar([Member("layer.tar", layer("etc/passwd")), *docker_members([layer()])]),
    ],
)
def test_a_saved_image_passes_with_whatever_lies_beside_it(data: bytes):
    judge_head(data[:HEAD_BYTES], "model.tar")
    assert scan(data)


def test_the_powershell_case_is_what_its_report_describes(tmp_path: Path):
    saved = tmp_path / "m.tar"
    saved.write_bytes(powershell(docker_archive()))
    assert saved.read_bytes()[:2] == b"\xff\xfe"
    with pytest.raises(tarfile.ReadError):
        tarfile.TarFile(fileobj=io.BytesIO(saved.read_bytes()))


def test_an_image_folder_is_called_one():
    """As skopeo 1.9.3 writes `dir:` and podman 4.3 `--format docker-dir`, packed as a folder or as what is in it."""
    docker = "application/vnd.docker"
    config = {"mediaType": f"{docker}.container.image.v1+json", "size": 2, "digest": f"sha256:{'c' * 64}"}
    layers = [{"mediaType": f"{docker}.image.rootfs.diff.tar.gzip", "size": 2, "digest": f"sha256:{'1' * 64}"}]
    media_type = f"{docker}.distribution.manifest.v2+json"
    manifest = {"schemaVersion": 2, "mediaType": media_type, "config": config, "layers": layers}
    files = {"c" * 64: b"{}", "1" * 64: b"xx", "manifest.json": json.dumps(manifest).encode(), "version": b"1.1\n"}
    for folder in ("", "model/"):
        error = scan_refusal(tar([Member(folder + name, content) for name, content in files.items()]))
        assert error.code == "IMAGE_NO_MANIFEST"
        assert "skopeo copy dir:FOLDER docker-archive:model.tar" in error.note
