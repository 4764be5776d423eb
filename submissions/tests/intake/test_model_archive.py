"""Model archives are unpacked as data: regular files, bounded, nowhere else."""

import errno
import gzip
import os
import re
import subprocess
import tarfile
import tracemalloc

import pytest

from submissions.faults import ParticipantError
from submissions.intake.model import archive as model_archive
from submissions.intake.model.archive import ModelLimits, judge_model_head, judge_model_name, unpack_model
from submissions.tests.image_archives import Member, tar

LINK = {"type": tarfile.SYMTYPE, "linkname": "/etc/passwd"}


def archive(tmp_path, members, data=None):
    path = tmp_path / "model.tar.gz"
    path.write_bytes(gzip.compress(tar(members)) if data is None else data)
    (tmp_path / "out").mkdir()
    return path, tmp_path / "out"


def test_files_and_folders_are_laid_out_readable(tmp_path):
    folder = {"type": tarfile.DIRTYPE, "mode": 0o700}
    path, out = archive(
        tmp_path, [Member("./", header=folder), Member("./a/w.bin", b"w" * 5000, {"mode": 0o600}), Member("b", b"")]
    )
    assert unpack_model(path, out) == 2
    assert (out / "a/w.bin").read_bytes() == b"w" * 5000
    assert (out / "a").stat().st_mode & 0o777 == 0o755
    assert (out / "a/w.bin").stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize(
    ("members", "words"),
    [
        ([Member("x", header=LINK)], "symbolic link"),
        ([Member("x", header=LINK | {"type": tarfile.LNKTYPE})], "forbidden name"),
        ([Member("x", header=LINK | {"type": tarfile.LNKTYPE, "linkname": "../etc/passwd"})], "forbidden name"),
        ([Member("x", header=LINK | {"type": tarfile.LNKTYPE, "linkname": "later"})], "leads to no file of it"),
        ([Member("x", header=LINK | {"type": tarfile.LNKTYPE, "linkname": "."})], "leads to no file of it"),
        ([Member("x", header={"type": tarfile.CHRTYPE})], "device"),
        ([Member("x", header={"type": tarfile.FIFOTYPE})], "device"),
        ([Member("../x", b"x")], "forbidden name"),
        ([Member("/etc/x", b"x")], "forbidden name"),
        ([Member("a/../../x", b"x")], "forbidden name"),
        ([Member("a", b"1"), Member("a", b"2")], "twice"),
        ([Member("a", b"1"), Member("a/b", b"2")], "a file and a folder"),
        ([Member("/".join("a" * 30), b"2")], "forbidden name"),
        ([Member("a" * 256 + "/x", b"2")], "forbidden name"),
        ([Member("é" * 128, b"2")], "forbidden name"),
        ([], "holds no file"),
        ([Member("a", b"0" * 2000)], "expands to more"),
        ([Member(str(number), b"") for number in range(12)], "more than 10 files"),
    ],
)
def test_anything_else_is_refused(members, words, tmp_path):
    path, out = archive(tmp_path, members)
    with pytest.raises(ParticipantError, match=words) as caught:
        unpack_model(path, out, ModelLimits(expanded_bytes=1000, files=10))
    assert caught.value.code == "MODEL_ARCHIVE"
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize("call", ["mkdir", "open", "link"])
def test_a_full_disk_is_not_the_archives_fault(tmp_path, monkeypatch, call):
    path, out = archive(
        tmp_path, [Member("a/x", b"1"), Member("a/y", header={"type": tarfile.LNKTYPE, "linkname": "a/x"})]
    )

    def full(*args, **more):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, call, full)
    with pytest.raises(OSError, match="No space left"):
        unpack_model(path, out)


def test_a_cache_of_links_is_told_the_tar_that_follows_them(tmp_path):
    """As the cache of huggingface_hub lies: blobs, and a snapshot of symbolic links; one file has two names."""
    cache, path, out = tmp_path / "hub", tmp_path / "model.tar.gz", tmp_path / "out"
    for folder in (cache / "blobs", cache / "snapshots/1", out):
        folder.mkdir(parents=True)
    (cache / "blobs/5a1").write_bytes(b"weights")
    (cache / "last.ckpt").hardlink_to(cache / "blobs/5a1")
    (cache / "snapshots/1/model.safetensors").symlink_to("../../blobs/5a1")

    subprocess.run(["tar", "-czf", path, "-C", cache, "."], check=True)
    with pytest.raises(ParticipantError) as caught:
        unpack_model(path, tmp_path)
    command = re.search("`(tar .*)`", caught.value.note)[1].replace("FOLDER", str(cache))

    subprocess.run(command.split(), check=True, cwd=tmp_path)
    assert unpack_model(path, out) == 3
    for name in ("blobs/5a1", "last.ckpt", "snapshots/1/model.safetensors"):
        assert (out / name).read_bytes() == b"weights"
        assert (out / name).stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize("cut", [10, 60, -8, -1])
def test_a_cut_archive_is_told(cut, tmp_path):
    path, out = archive(tmp_path, [Member("a", bytes(range(256)) * 40)])
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(ParticipantError, match="cut short or damaged"):
        unpack_model(path, out)


def test_the_check_may_stop_it(tmp_path):
    path, out = archive(tmp_path, [Member("a", b"x")])

    def stop():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        unpack_model(path, out, check=stop)


def test_a_file_is_judged_by_its_name_and_beginning():
    judge_model_name("Model.TAR.GZ")
    judge_model_head(gzip.compress(tar([Member("a", b"x")])))
    with pytest.raises(ParticipantError, match=r"not a \.tar\.gz"):
        judge_model_name("model.zip")
    for head, words in [
        (b"PK\x03\x04", "not gzipped"),
        (b"\x1f\x8b\x00" + bytes(20), "damaged"),
        (gzip.compress(b"x" * 600), "no tar"),
    ]:
        with pytest.raises(ParticipantError, match=words):
            judge_model_head(head)


@pytest.mark.parametrize("form", ["v7", "oldgnu", "gnu", "ustar", "posix"])
def test_every_form_that_tar_writes_is_taken(tmp_path, form):
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / "w.bin").write_bytes(b"w" * 700)
    command = ["tar", f"--format={form}", "-czf", tmp_path / "model.tar.gz", "-C", tmp_path / "weights", "."]
    subprocess.run(command, check=True)
    (tmp_path / "out").mkdir()
    judge_model_head((tmp_path / "model.tar.gz").read_bytes())
    assert unpack_model(tmp_path / "model.tar.gz", tmp_path / "out") == 1


@pytest.mark.parametrize(
    "kind", [tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK, tarfile.XHDTYPE, tarfile.XGLTYPE], ids=repr
)
def test_a_header_of_any_size_fills_no_memory(kind, tmp_path):
    """A few hundred kilobytes of gzip would be as many megabytes of a name, of which Python makes copies."""
    header = tarfile.TarInfo("././@LongLink")
    header.type, header.size = kind, 200 << 20
    path, out = tmp_path / "model.tar.gz", tmp_path / "out"
    out.mkdir()
    with gzip.open(path, "wb", 1) as file:
        file.write(header.tobuf(tarfile.GNU_FORMAT))
        for _ in range(200):
            file.write(b"a" * (1 << 20))
        file.write(tarfile.TarInfo("x").tobuf() + bytes(10240))
    tracemalloc.start()
    try:
        with pytest.raises(ParticipantError, match="more than 32 MiB of headers"):
            unpack_model(path, out)
        assert tracemalloc.get_traced_memory()[1] < 100 << 20
    finally:
        tracemalloc.stop()


def test_headers_of_all_members_count_together(tmp_path, monkeypatch):
    monkeypatch.setattr(model_archive, "MAX_HEADER_BYTES", 64 << 10)
    members = [Member(f"{number}", b"w" * 100_000) for number in range(10)]
    path, out = archive(tmp_path, members)
    assert unpack_model(path, out) == 10  # content is no header
    path.write_bytes(gzip.compress(tar([Member(f"{number}", b"w") for number in range(100)])))
    (tmp_path / "other").mkdir()
    with pytest.raises(ParticipantError, match="of headers"):
        unpack_model(path, tmp_path / "other")
