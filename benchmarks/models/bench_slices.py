"""A slice of a 512 x 512 x 300 volume as PNG: from the mapped volume, and by SimpleITK reading the file each time.

PYTHONPATH=. python benchmarks/models/bench_slices.py
"""

import io
import os
import tempfile
import time
from pathlib import Path
from statistics import median

import numpy as np
import SimpleITK
from PIL import Image

from benchmarks.harness.results import Result, show

SHAPE_ZYX = (300, 512, 512)
TARGET_MS, ROUNDS = 80.0, 7
KEY = "bench/v1/volume.mha"


def write_volume(path: Path) -> None:
    """Write a compressed volume as noisy as a CT."""
    rng = np.random.default_rng(1)
    values = np.clip(rng.normal(-500, 300, SHAPE_ZYX), -1024, 3071).astype(np.int16)
    SimpleITK.WriteImage(SimpleITK.GetImageFromArray(values), str(path), useCompression=True, compressionLevel=1)


def by_itk(path: Path, plane: str, index: int) -> bytes:
    """Return the same slice from the file alone, as a view without a cache would."""
    from inference.ct.planes import WINDOWS, grey

    values = SimpleITK.GetArrayViewFromImage(image := SimpleITK.ReadImage(str(path)))
    picture = {"axial": values[index], "coronal": values[::-1, index], "sagittal": values[::-1, :, index]}[plane]
    target = io.BytesIO()
    Image.fromarray(grey(picture, *WINDOWS["lung"])).save(target, "PNG", compress_level=1)
    del image
    return target.getvalue()


def seconds(call) -> float:
    """Return the processor time of a call, which other programs of the machine do not lengthen."""
    start = time.process_time()
    call()
    return time.process_time() - start


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        os.environ |= {"DATA_DIR": folder, "DJANGO_SETTINGS_MODULE": "lunasite.settings"}
        import django

        django.setup()
        measure()


def measure() -> None:
    from inference.ct.planes import WINDOWS, Planes, as_png, grey
    from lunasite.cases.volume_cache import mapped_volume
    from submissions.storage.files import store

    path = store("datasets").local_path(KEY)
    path.parent.mkdir(parents=True)
    write_volume(path)

    def ours(plane: str, index: int) -> bytes:
        volume = mapped_volume(KEY)
        return as_png(grey(Planes.of(volume.grid).cut(volume.voxels, plane, index), *WINDOWS["lung"]))

    first = seconds(lambda: ours("axial", 0))
    results = []
    for plane in ("axial", "coronal", "sagittal"):
        assert ours(plane, 150) == by_itk(path, plane, 150)
        warm = median(seconds(lambda i=i, p=plane: ours(p, 100 + i)) for i in range(ROUNDS))
        reading = median(seconds(lambda i=i, p=plane: by_itk(path, p, 100 + i)) for i in range(3))
        figures = f"{1000 * warm:.1f} ms; SimpleITK {1000 * reading:.0f} ms; the first, which decodes, {first:.1f} s"
        what = f"{plane} slice: ms of a processor, warm"
        results.append(Result("issue 10", what, 1000 * warm, TARGET_MS, figures, at_most=True))
        results.append(Result("issue 10", f"{plane} slice vs SimpleITK reading the file", reading / warm, 0))
    show("Server-made slices, 512 x 512 x 300, zlib", results)


if __name__ == "__main__":
    main()
