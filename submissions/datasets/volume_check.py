"""Check CT volumes with SimpleITK, and resample them: a program that runs in a separate process.

SimpleITK may crash, hang or read any file that a header names (docs/decisions/0003). So it opens a file only after the
site's own reader has accepted it, and never in the process that imports.

In: one JSON object on standard input, {"reader": dotted name of the site's reader, "resample_mm": number or null,
"volumes": [[from, to], …]}. Out: one line of JSON per volume, in order: its problem, or null.
"""

from __future__ import annotations

import importlib
import json
import math
import signal
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK

SECONDS_A_VOLUME = 300
# Named, or SimpleITK takes a file by its name, and knows .mha in small letters alone.
META_IMAGE = "MetaImageIO"
# What the site's reader takes of a volume: one that is larger could be stored, and never be looked at or run on.
MAX_VOXEL_BYTES = 1 << 30
# Allowed difference between two readers of the same decimal text, in mm or as a cosine.
TOLERANCE = 1e-4


def main() -> None:
    work = json.load(sys.stdin)
    open_scan = _named(work["reader"])
    for source, target in work["volumes"]:
        signal.alarm(SECONDS_A_VOLUME)  # nothing catches it: the process ends, and the parent goes on after this volume
        problem = problem_of(Path(source), open_scan)
        if problem is None and work["resample_mm"]:
            problem = resample(Path(source), Path(target), work["resample_mm"])
        print(json.dumps(problem), flush=True)  # noqa: T201


def _named(name: str) -> Callable[[Path], Any]:
    module, _, function = name.rpartition(".")
    found: Callable[[Path], Any] = getattr(importlib.import_module(module), function)
    return found


def problem_of(path: Path, open_scan: Callable[[Path], Any]) -> str | None:
    """Return the problem of a volume (the end of a sentence), or None. Both readers must find the same grid."""
    try:
        with open_scan(path) as scan:
            grid = scan.grid
        reader = SimpleITK.ImageFileReader()
        reader.SetImageIO(META_IMAGE)
        reader.SetFileName(str(path))
        reader.ReadImageInformation()
    except (ValueError, RuntimeError, OSError) as error:
        return f"cannot be read: {getattr(error, 'note', '') or type(error).__name__}"
    ours = [grid.shape_zyx[::-1], grid.spacing_xyz_mm, grid.origin_xyz_mm, np.ravel(grid.direction)]
    theirs = [reader.GetSize(), reader.GetSpacing(), reader.GetOrigin(), reader.GetDirection()]
    names = ("size", "spacing", "origin", "direction")
    for name, item, other in zip(names, ours, theirs, strict=True):
        if len(item) != len(other) or not np.allclose(item, other, atol=TOLERANCE):
            read = f"{name} is {tuple(other)} to SimpleITK, {tuple(map(float, item))} to this site"
            return f"is placed differently by two readers: its {read}"
    return None


def resample(source: Path, target: Path, spacing_mm: float) -> str | None:
    """Write a volume on cubic voxels; return the problem of one that would become too large, or None."""
    image = SimpleITK.ReadImage(str(source), imageIO=META_IMAGE)
    if math.prod(new_size(image, spacing_mm)) * image.GetSizeOfPixelComponent() > MAX_VOXEL_BYTES:
        return f"would hold more than {MAX_VOXEL_BYTES >> 30} GiB of voxels of {spacing_mm:g} mm; give larger ones"
    write(resampled(image, spacing_mm), target)
    return None


def write(volume: SimpleITK.Image, target: Path) -> None:
    """Write a volume as one file, whatever the case of its ending: of .MHA SimpleITK makes a header and a raw file."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        written = Path(folder) / "volume.mha"
        SimpleITK.WriteImage(volume, str(written), useCompression=True)
        written.replace(target)


def new_size(image: SimpleITK.Image, spacing_mm: float) -> list[int]:
    """Return how many cubic voxels of `spacing_mm` the volume takes along x, y and z."""
    length_mm = np.array(image.GetSpacing()) * np.array(image.GetSize())
    size: list[int] = np.maximum(1, np.ceil(length_mm / spacing_mm - 1e-6)).astype(int).tolist()
    return size


def resampled(image: SimpleITK.Image, spacing_mm: float) -> SimpleITK.Image:
    """Return the volume on cubic voxels of `spacing_mm`, linearly interpolated, over the same part of the patient."""
    old_mm = np.array(image.GetSpacing())
    direction = np.reshape(image.GetDirection(), (3, 3))
    filter_ = SimpleITK.ResampleImageFilter()
    filter_.SetSize(new_size(image, spacing_mm))
    filter_.SetOutputSpacing([spacing_mm] * 3)
    filter_.SetOutputOrigin((np.array(image.GetOrigin()) + direction @ ((spacing_mm - old_mm) / 2)).tolist())
    filter_.SetOutputDirection(image.GetDirection())
    filter_.SetInterpolator(SimpleITK.sitkLinear)
    filter_.UseNearestNeighborExtrapolatorOn()  # at the border, half a new voxel may lie outside the old ones
    return filter_.Execute(image)


if __name__ == "__main__":
    main()
