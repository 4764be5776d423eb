"""The cache of decoded volumes, used by several processes at once, each of which may be killed."""

import fcntl
import os
import signal
from threading import Event, Thread

import numpy as np
import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import storages

from inference.ct.reading.metaimage import ScanFile
from inference.ct.volume import CTVolume
from inference.ct.writing import write_mha
from lunasite.cases import volume_cache
from submissions.storage.base import StorageError


@pytest.fixture
def key(settings, tmp_path):
    """A compressed volume in the datasets store."""
    settings.DATA_DIR = tmp_path
    write_mha(CTVolume.at(np.arange(120, dtype=np.int16).reshape(4, 5, 6)), tmp_path / "scan.mha")
    return storages["datasets"].save("cached/v1/scan.mha", ContentFile((tmp_path / "scan.mha").read_bytes()))


def left_behind():
    return sorted(path.name for path in volume_cache.folder().iterdir() if path.suffix not in (".npy", ".npz"))


def test_to_make_room_takes_no_lock_from_who_holds_it(key, monkeypatch):
    volume_cache.mapped_volume(key)
    voxels_path = volume_cache._voxels_path(key)
    monkeypatch.setattr(volume_cache, "MAX_BYTES", 0)
    with volume_cache._one_at_a_time(voxels_path):
        volume_cache._make_room(0)
        assert not voxels_path.exists()
        with voxels_path.with_suffix(".lock").open("w") as lock, pytest.raises(BlockingIOError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_who_waited_for_a_lock_that_is_gone_takes_the_next_one(key, monkeypatch):
    voxels_path = volume_cache._voxels_path(key)
    asks, is_in, may_leave = Event(), Event(), Event()
    flock = fcntl.flock

    def wait():
        with volume_cache._one_at_a_time(voxels_path):
            is_in.set()
            may_leave.wait(10)

    def told(*arguments):
        asks.set()
        flock(*arguments)

    waiter = Thread(target=wait)
    path = voxels_path.with_suffix(".lock")
    with path.open("w") as first:
        flock(first, fcntl.LOCK_EX)
        monkeypatch.setattr(fcntl, "flock", told)
        waiter.start()
        assert asks.wait(10)
        monkeypatch.setattr(fcntl, "flock", flock)
        path.unlink()
        with volume_cache._one_at_a_time(voxels_path):
            flock(first, fcntl.LOCK_UN)
            assert not is_in.wait(0.3)
        assert is_in.wait(10)
    may_leave.set()
    waiter.join()
    assert left_behind() == []


def test_a_killed_process_leaves_no_voxels_for_ever(key, monkeypatch):
    child = os.fork()
    if child == 0:
        try:
            ScanFile.read_into = lambda scan, voxels: os.kill(os.getpid(), signal.SIGKILL)
            volume_cache.mapped_volume(key)
        finally:
            os._exit(0)
    assert os.waitpid(child, 0)[1] == signal.SIGKILL
    assert [name for name in left_behind() if name.endswith(".part")]
    other = storages["datasets"].save("cached/v1/other.mha", storages["datasets"].open(key))
    assert volume_cache.mapped_volume(other).voxels.shape == (4, 5, 6)
    assert not [name for name in left_behind() if name.endswith(".part")]


@pytest.mark.parametrize("gone", [".npy", ".npz"])
def test_half_of_a_decoded_volume_is_decoded_anew_or_dropped(key, monkeypatch, gone):
    volume_cache.mapped_volume(key)
    voxels_path = volume_cache._voxels_path(key)
    voxels_path.with_suffix(gone).unlink()
    if gone == ".npy":
        with pytest.raises(StorageError, match="comes again"):
            volume_cache.mapped_volume(key)
        assert volume_cache.mapped_volume(key).voxels[1, 2, 3] == 45
    else:
        monkeypatch.setattr(volume_cache, "MAX_BYTES", 0)
        volume_cache._make_room(0)
        assert not voxels_path.exists()
