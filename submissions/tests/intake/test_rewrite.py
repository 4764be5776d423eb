"""What the engine is given, and the command for participants."""

import gzip
import io
import json
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from submissions.faults import ParticipantError
from submissions.intake.__main__ import main
from submissions.intake.image.rewrite import rewritten
from submissions.intake.image.scan import scan_archive
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

LAYERS = [layer("a"), bytes(1024), layer("b", b"x" * 3_000_000), layer("a")]
DOCKER = docker_archive(LAYERS, tags=["python:3.11-slim"])
BURIED = tar([Member("0", b"y" * 5000), *reversed(docker_members(LAYERS, tags=["evil:1"])), Member("zz", b"z")])


def rewrite(data: bytes) -> bytes:
    file = io.BytesIO(data)
    return b"".join(rewritten(file, scan_archive(file)))


@pytest.mark.parametrize(
    "data",
    [
        DOCKER,
        BURIED,
        gzip.compress(BURIED),
        docker_archive(LAYERS, stored=[gzip.compress(layer) for layer in LAYERS]),
        oci_archive(LAYERS),
        gzip.compress(oci_archive(LAYERS)),
    ],
    ids=["docker", "other order", "gzip", "gzip layers", "oci", "gzip oci"],
)
def test_every_layout_becomes_the_same_untagged_archive(data: bytes):
    archive = tarfile.open(fileobj=io.BytesIO(rewrite(data)))  # noqa: SIM115
    [image] = json.load(archive.extractfile("manifest.json"))

    assert image["RepoTags"] is None
    assert archive.extractfile(image["Config"]).read() == as_bytes(config(LAYERS))
    assert [archive.extractfile(name).read() for name in image["Layers"]] == LAYERS
    assert sorted(archive.getnames()) == sorted({"manifest.json", image["Config"], *image["Layers"]})


def test_a_rewritten_archive_is_its_own_rewriting():
    assert rewrite(rewrite(BURIED)) == rewrite(BURIED)


def test_pieces_are_small():
    file = io.BytesIO(gzip.compress(docker_archive([layer(data=bytes(9_000_000))])))
    assert max(len(piece) for piece in rewritten(file, scan_archive(file))) <= 1 << 20


@pytest.mark.parametrize(
    "now", [b"", DOCKER[:5000], gzip.compress(b"no tar at all", mtime=0)], ids=["empty", "cut", "other"]
)
def test_a_file_that_changed_is_noticed(now: bytes):
    facts = scan_archive(io.BytesIO(DOCKER))
    with pytest.raises(ParticipantError, match="ARCHIVE_CORRUPT"):
        list(rewritten(io.BytesIO(now), facts))


# ---- python -m submissions.intake


def test_the_command_describes_a_good_image(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    path = tmp_path / "image.tar.gz"
    path.write_bytes(gzip.compress(DOCKER))

    assert main([str(path)]) == 0
    assert "ACCEPTED" in capsys.readouterr().out
    assert main([str(path), "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["diff_ids"]) == 4


def test_the_command_says_what_to_change(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    path = tmp_path / "image.tar"
    path.write_bytes(docker_archive(image=config([layer()], Cmd=None)))

    assert main([str(path)]) == 1
    assert "ENTRYPOINT" in capsys.readouterr().err
    assert main([str(tmp_path / "absent.tar")]) == 2


@pytest.mark.slow
def test_the_command_needs_nothing_but_python(tmp_path: Path):
    path = tmp_path / "image.tar"
    path.write_bytes(DOCKER)
    command = [sys.executable, "-S", "-m", "submissions.intake", str(path)]  # -S: no site-packages at all

    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)

    assert (done.returncode, done.stderr) == (0, "")
