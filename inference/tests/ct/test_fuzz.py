"""A few seconds of `make fuzz` in every run, so that the fuzzer itself never rots."""

import random

import pytest

from inference.ct.reading.errors import InvalidImageFile
from inference.ct.volume import CTVolume
from inference.tests.ct import fuzz_metaimage
from inference.tests.ct.fuzz_metaimage import Found, Itk, Tally, check, fuzz, random_file
from inference.tests.metaimages import mha

pytestmark = pytest.mark.slow


def test_no_crash_no_hang_no_accepted_lie(tmp_path):
    tally = fuzz(4.0, seed=random.randrange(2**32), keep_in=tmp_path / "kept")
    assert tally.verdicts["accepted"] > 20
    assert len(tally.verdicts) >= 5


@pytest.fixture
def itk():
    oracle = Itk()
    yield oracle
    oracle.close()


def check_one(tmp_path, itk):
    check(mha(), tmp_path / "scan.mha", itk, Tally())


def test_the_fuzzer_passes_a_good_file(tmp_path, itk):
    check_one(tmp_path, itk)


def test_the_fuzzer_notices_a_lie(tmp_path, itk, monkeypatch):
    honest = fuzz_metaimage.read_in_time
    monkeypatch.setattr(
        fuzz_metaimage, "read_in_time", lambda *args: CTVolume(honest(*args).hu + 1, honest(*args).grid)
    )
    with pytest.raises(Found, match="voxels differ"):
        check_one(tmp_path, itk)


@pytest.mark.parametrize(("error", "verdict"), [(ValueError("x"), "crash"), (InvalidImageFile("X", "y"), None)])
def test_the_fuzzer_tells_a_crash_from_a_refusal(tmp_path, itk, monkeypatch, error, verdict):
    def fail(path):
        raise error

    monkeypatch.setattr(fuzz_metaimage, "open_scan", fail)
    if verdict is None:
        check_one(tmp_path, itk)
        return
    with pytest.raises(Found, match=verdict):
        check_one(tmp_path, itk)


def test_the_same_seed_makes_the_same_files():
    assert random_file(random.Random(5)) == random_file(random.Random(5))
