# ruff: noqa: T201
"""Throw broken MetaImage files at the reader, and hold every one it accepts against ITK.

    python -m inference.tests.ct.fuzz_metaimage --seconds 300

Fails, and keeps the file, on a crash (any exception but InvalidImageFile),
a hang (over two seconds for a small file),
or an accepted lie (voxels or geometry other than ITK's). ITK runs in a process of its own,
since these files crash
it and hang it; where it refuses what we accept, an oracle of ten lines decides.
"""

import argparse
import multiprocessing
import os
import random
import re
import signal
import sys
import time
import zlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile
from typing import Any

import numpy as np

from inference.ct.crop_spec import CropSpec
from inference.ct.cropping import crop_around
from inference.ct.geometry import PointOutsideScan, index_to_world
from inference.ct.reading.errors import InvalidImageFile
from inference.ct.reading.header import NUMBER_TYPES
from inference.ct.reading.metaimage import open_scan
from inference.ct.volume import CTVolume
from inference.tests.ct.mutated_metaimages import random_file

HANG_S = 2
ORACLE_S = 5.0
SPEC = CropSpec((3, 4, 4), (2, 1, 1))


class Itk:
    """SimpleITK in a process that may crash or hang; `read` answers None when it did not read the file."""

    def __init__(self) -> None:
        self._process: multiprocessing.process.BaseProcess | None = None

    def read(self, path: Path) -> dict[str, Any] | None:
        if self._process is None or not self._process.is_alive():
            context = multiprocessing.get_context("spawn")
            self._ours, theirs = context.Pipe()
            self._process = context.Process(target=_itk_loop, args=(theirs,), daemon=True)
            self._process.start()
            theirs.close()
            self._ours.recv()
        try:
            self._ours.send(str(path))
            if self._ours.poll(ORACLE_S):
                return self._ours.recv()
        except (EOFError, OSError):
            pass
        self.close()
        return None

    def close(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.join()
            self._process = None


def _itk_loop(connection: Any) -> None:
    """Answer paths with what ITK reads; None where it refuses, or fails without saying so to its caller."""
    import SimpleITK

    with TemporaryFile() as words:
        os.dup2(words.fileno(), 2)
        connection.send("ready")
        while True:
            answer = _read_by_itk(SimpleITK, connection.recv())
            connection.send(None if words.seek(0, os.SEEK_END) else answer)
            words.truncate(0)


def _read_by_itk(itk: Any, path: str) -> dict[str, Any] | None:
    try:
        image = itk.ReadImage(path)
    except Exception:  # ITK refuses in its own words
        return None
    return {
        "voxels": itk.GetArrayFromImage(image),
        "origin": image.GetOrigin(),
        "spacing": image.GetSpacing(),
        "direction": image.GetDirection(),
    }


DATA_LINE = re.compile(rb"(?:^|[\n\r])[ \t\v\f]*ElementDataFile[ \t\v\f]*[=:]\s*(LOCAL|Local|local)[ \t\r]*\n")


def plain_oracle(content: bytes) -> dict[str, Any]:
    """Read a file that was accepted, in the plainest way there is."""
    end = DATA_LINE.search(content)
    assert end is not None
    found = re.findall(rb"(?:^|\n)(?:[^\n=:]*\r)?\s*(\w+)(?:\0[^\n=:]*)?[ \t\r]*[=:]([^\n]*)", content[: end.start()])
    fields = {key.decode(): value.decode("latin-1").strip() for key, value in found}
    msb = fields.get("BinaryDataByteOrderMSB", fields.get("ElementByteOrderMSB", ""))
    name = fields["ElementType"].replace("MET_LONG", "MET_INT").replace("MET_ULONG", "MET_UINT")
    shape = [int(size) for size in fields["DimSize"].split()][::-1]
    dtype = np.dtype((">" if is_true(msb) else "<") + NUMBER_TYPES[name])
    data = content[end.end() :]
    raw = zlib.decompressobj().decompress(data) if is_true(fields.get("CompressedData", "")) else data
    voxels = np.frombuffer(raw, dtype, int(np.prod(shape))).reshape(shape)
    return {"voxels": voxels, **_plain_geometry(fields)}


def _plain_geometry(fields: dict[str, str]) -> dict[str, Any]:
    origin = fields.get("Offset", fields.get("Position", fields.get("Origin", "0 0 0")))
    named = ("TransformMatrix", "Rotation", "Orientation")
    matrix = next((fields[name] for name in named if name in fields), "1 0 0 0 1 0 0 0 1")
    return {
        "origin": [float(word) for word in origin.split()],
        "spacing": [float(word) for word in fields.get("ElementSpacing", fields.get("ElementSize", "")).split()],
        "direction": np.array([float(word) for word in matrix.split()]).reshape(3, 3).T.ravel(),
    }


# Lists that MetaIO reads and no scan is read by, with their lengths. From one that is odd it reads on into the
# next line, which is then lost; after a line without '=' the next one is lost as well (measured with ITK 5.4).
UNUSED_LISTS = {"CenterOfRotation": 3, "Color": 4, "SequenceID": 3, "ElementSize": 3, "ImagePosition": 3}
UNUSED_NUMBERS = {"ElementMin": 1, "ElementMax": 1, "ElementNBits": 1, "ID": 1, "ParentID": 1}


def itk_loses_a_line(content: bytes) -> bool:
    """Return whether the header holds an unused line over which ITK stumbles and then misreads the next."""
    end = DATA_LINE.search(content)
    assert end is not None
    lines = [line for line in re.split(rb"[\n]", content[: end.start()]) if line.strip()]
    return any(_trips_itk(line.decode("latin-1")) for line in lines)


def _trips_itk(line: str) -> bool:
    key, separator, value = re.match(r"([^=:]*)([=:]?)(.*)", line, re.DOTALL).groups()  # type: ignore[union-attr]
    count = (UNUSED_LISTS | UNUSED_NUMBERS).get(key.strip(), 0)
    is_odd_key = not key.strip().isascii() or not key.strip().isprintable() or not key.strip()
    is_well_formed = len(value.split()) == count and all(re.fullmatch(r"[+-]?[\d.]+", word) for word in value.split())
    return not separator or is_odd_key or (count > 0 and not is_well_formed)


def is_true(word: str) -> bool:
    return word.lower() in ("true", "1", "t")


@dataclass
class Tally:
    verdicts: Counter[str] = field(default_factory=Counter)
    itk_refused: list[bytes] = field(default_factory=list)


class Found(Exception):
    """The reader did something it must not."""


def check(content: bytes, path: Path, itk: Itk, tally: Tally) -> None:
    """Read one file. Raises Found."""
    path.write_bytes(content)
    volume = read_in_time(path, tally)
    if volume is None:
        return
    compare(volume, plain_oracle(content))
    if itk_loses_a_line(content):
        tally.verdicts["accepted, left out of the comparison with ITK"] += 1
    elif truth := itk.read(path):
        compare(volume, truth)
    else:
        tally.itk_refused.append(content)


def read_in_time(path: Path, tally: Tally) -> CTVolume | None:
    """Return the volume, None if it was refused. Raises Found on any other exception and on a hang."""

    def hang(*_: object) -> None:
        raise Found("hang")

    signal.signal(signal.SIGALRM, hang)
    signal.alarm(HANG_S)
    try:
        with open_scan(path) as scan:
            volume = scan.read_volume()
            corner = index_to_world((0, 0, 0), scan.grid)
            if not np.array_equal(crop_around(corner, scan, SPEC), crop_around(corner, volume, SPEC)):
                raise Found("the crop of the file differs from the crop of its volume")
    except InvalidImageFile as refusal:
        tally.verdicts[refusal.code] += 1
        return None
    except PointOutsideScan as error:
        raise Found("the first voxel lies outside the scan") from error
    except Found:
        raise
    except Exception as error:
        raise Found(f"crash: {error!r}") from error
    finally:
        signal.alarm(0)
    tally.verdicts["accepted"] += 1
    return volume


def compare(volume: CTVolume, truth: dict[str, Any]) -> None:
    if not np.array_equal(volume.hu, truth["voxels"]):
        raise Found("voxels differ")
    ours = {
        "origin": volume.grid.origin_xyz_mm, "spacing": volume.grid.spacing_xyz_mm,
        "direction": volume.grid.direction.ravel(),
    }  # fmt: skip
    for name, value in ours.items():
        if name in truth and not np.allclose(value, truth[name], atol=1e-6):
            raise Found(f"{name} differs: {value} and {truth[name]}")


def fuzz(seconds: float, seed: int, keep_in: Path) -> Tally:
    """Run for a time. Raises Found with the seed and keeps the file."""
    tally, itk = Tally(), Itk()
    deadline = time.monotonic() + seconds
    try:
        with TemporaryDirectory() as folder:
            for content in files(seed):
                if time.monotonic() > deadline:
                    return tally
                check_or_keep(content, Path(folder) / "fuzz.mha", itk, tally, keep_in)
    finally:
        itk.close()
    return tally


def files(seed: int) -> Iterator[bytes]:
    rng = random.Random(seed)
    while True:
        yield random_file(rng)


def check_or_keep(content: bytes, path: Path, itk: Itk, tally: Tally, keep_in: Path) -> None:
    try:
        check(content, path, itk, tally)
    except Found:
        keep_in.mkdir(parents=True, exist_ok=True)
        (keep_in / f"{zlib.crc32(content):08x}.mha").write_bytes(content)
        raise


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=300)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--keep-in", type=Path, default=Path("var/fuzz"))
    arguments = parser.parse_args()
    print(f"seed {arguments.seed}")
    try:
        tally = fuzz(arguments.seconds, arguments.seed, arguments.keep_in)
    except Found as found:
        print(f"FOUND {found}; the file is in {arguments.keep_in}")
        return 1
    for verdict, count in tally.verdicts.most_common():
        print(f"{count:8} {verdict}")
    print(f"{len(tally.itk_refused):8} accepted by us (and the plain oracle), refused by ITK")
    for content in [
        odd for odd in tally.itk_refused if b"CompressedDataSize" in odd or b"CompressedData = False" in odd
    ][:5]:
        print("         e.g.", content[: content.find(b"LOCAL")][:400])
    return 0


if __name__ == "__main__":
    sys.exit(main())
