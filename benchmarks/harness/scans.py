"""The scans that are measured with: the real chest CT where it is, else a phantom of its size."""

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from inference.ct.crop_spec import CropSpec
from inference.ct.cropping import crop_each_hu
from inference.ct.phantom import make_phantom
from inference.ct.reading.metaimage import read_volume
from inference.ct.volume import CTVolume
from inference.ct.writing import write_mha

REAL_DATA = Path(os.environ.get("LUNASITE_REAL_DATA", Path(__file__).resolve().parents[3] / "shared" / "data"))
REAL_POINT = (56.20840547, 86.34341278, -115.8675792)
PATCH_SIDE = 64


@dataclass(frozen=True)
class Scans:
    """point_xyz_mm lies in all of them. raw, compressed: the whole volume, 66 MB of voxels; patch: 0.5 MB of it."""

    point_xyz_mm: tuple[float, float, float]
    raw: Path
    compressed: Path
    patch: Path
    source: str


def prepare(folder: Path) -> Scans:
    """Write the three files into `folder`."""
    volume, point, source = _volume()
    raw, compressed, patch = folder / "raw.mha", folder / "zlib.mha", folder / "patch.mha"
    write_mha(volume, raw, compressed=False)
    write_mha(volume, compressed)
    write_mha(_patch(volume, point), patch, compressed=False)
    return Scans(point, raw, compressed, patch, source)


def _volume() -> tuple[CTVolume, tuple[float, float, float], str]:
    real = sorted((REAL_DATA / "volumes").glob("*.mha"))
    if real:
        return read_volume(real[0]), REAL_POINT, "LIDC-IDRI-0001, 512 x 512 x 133"
    phantom = make_phantom(1, shape_zyx=(133, 512, 512), spacing_xyz_mm=(0.7, 0.7, 2.5))
    return phantom.volume, phantom.nodules[0].point_xyz_mm, "a phantom, 512 x 512 x 133"


def _patch(volume: CTVolume, point: tuple[float, float, float]) -> CTVolume:
    """Return 64 x 64 x 64 voxels around the point, half a megabyte of int16."""
    spec = CropSpec((PATCH_SIDE,) * 3, (1.0, 0.8, 0.8))
    [hu] = crop_each_hu([point], volume, spec)
    spacing_xyz = spec.spacing_zyx_mm[::-1]
    corner = tuple(p - s * (PATCH_SIDE - 1) / 2 for p, s in zip(point, spacing_xyz, strict=True))
    return CTVolume.at(np.rint(hu).astype(np.int16), spacing_xyz, corner)
