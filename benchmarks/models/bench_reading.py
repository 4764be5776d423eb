"""P6: the part of a scan that a crop needs, read by us and by SimpleITK.

PYTHONPATH=. python benchmarks/models/bench_reading.py
"""

import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import SimpleITK

from benchmarks.harness.results import Result, show
from benchmarks.harness.rounds import medians
from benchmarks.harness.scans import Scans, prepare
from inference.ct.reading.metaimage import open_scan
from inference.ct.volume import Block

REACH_MM = 25.0


def block_around(path: Path, point_xyz_mm: tuple[float, float, float]) -> Block:
    """Return the voxels within 25 mm of the point."""
    with open_scan(path) as scan:
        grid = scan.grid
    center = (grid.voxels_per_mm_xyz @ (np.array(point_xyz_mm) - grid.origin_xyz_mm))[::-1]
    reach = REACH_MM / grid.spacing_xyz_mm[::-1]
    low = np.clip(np.floor(center - reach), 0, None).astype(int)
    high = np.minimum(np.ceil(center + reach).astype(int) + 1, grid.shape_zyx)
    return tuple(low.tolist()), tuple(high.tolist())


def ours(path: Path, block: Block) -> np.ndarray:
    with open_scan(path) as scan:
        return scan.read_blocks([block])[0]


def itk_extract(path: Path, block: Block) -> np.ndarray:
    low, high = block
    reader = SimpleITK.ImageFileReader()
    reader.SetFileName(str(path))
    reader.SetExtractIndex(low[::-1])
    reader.SetExtractSize([end - start for start, end in zip(low[::-1], high[::-1], strict=True)])
    return SimpleITK.GetArrayFromImage(reader.Execute())


def itk_full(path: Path, block: Block) -> np.ndarray:
    (z0, y0, x0), (z1, y1, x1) = block
    image = SimpleITK.ReadImage(str(path))  # owns the memory that the view shows
    return SimpleITK.GetArrayViewFromImage(image)[z0:z1, y0:y1, x0:x1].copy()


SIDES = {"ours": ours, "extract": itk_extract, "full": itk_full}


def memory_growth_bytes(side: str, path: Path, block: Block) -> int:
    """Return how much a fresh process grows at most while it reads once."""
    code = f"from benchmarks.models.bench_reading import grow; grow({side!r}, {str(path)!r}, {block!r})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return int(done.stdout)


def grow(side: str, path: str, block: Block) -> None:
    """Print the growth in bytes; runs in a process of its own."""
    before = peak_bytes()
    SIDES[side](Path(path), block)
    print(peak_bytes() - before)


def peak_bytes() -> int:
    """Return the highest resident memory this process has had."""
    return int(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0]) * 1024


def measure(scans: Scans) -> list[Result]:
    block = block_around(scans.raw, scans.point_xyz_mm)
    for path in (scans.raw, scans.compressed):
        for side in SIDES.values():
            assert np.array_equal(side(path, block), ours(scans.raw, block))
    raw = medians({name: (lambda side=side: side(scans.raw, block), 5) for name, side in SIDES.items()}, rounds=9)
    packed = medians(
        {name: (lambda side=SIDES[name]: side(scans.compressed, block), 1) for name in ("ours", "full")}, rounds=9
    )
    memory = {name: memory_growth_bytes(name, scans.compressed, block) for name in ("ours", "full")}
    return [
        Result("P6", "raw crop vs SimpleITK extract", raw["extract"] / raw["ours"], 3, f"{raw['ours'] * 1e3:.2f} ms"),
        Result("P6", "raw crop vs SimpleITK full", raw["full"] / raw["ours"], 20, f"{raw['full'] * 1e3:.1f} ms full"),
        Result(
            "P6", "zlib crop, verified to its end, vs SimpleITK full", packed["full"] / packed["ours"], 1.5,
            f"{packed['ours'] * 1e3:.0f} ms against {packed['full'] * 1e3:.0f} ms",
        ),
        Result(
            "P6", "zlib crop, memory: SimpleITK full / ours", memory["full"] / max(memory["ours"], 1), 15,
            f"{memory['ours'] / 1e6:.1f} MB against {memory['full'] / 1e6:.0f} MB",
        ),
    ]  # fmt: skip


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        scans = prepare(Path(folder))
        show(f"Reading, {scans.source}", measure(scans))


if __name__ == "__main__":
    main()
