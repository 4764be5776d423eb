"""What the lesion model's warnings catch and miss; the card and `make bench-models` print the same table."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from inference.ct.geometry import contains
from inference.ct.hounsfield import foreign_scale
from inference.ct.lesion_fields import fields_around
from inference.ct.phantom import Nodule, make_phantom
from inference.ct.reading.metaimage import read_volume
from inference.ct.volume import CTVolume
from inference.networks.model.predictor import LesionPredictor
from inference.training.cards import table
from inference.training.metrics import exact_share

from .data import read_rows
from .measures import Floats, Places, is_volume, limit_of

OFFSET_HU = 1024
STEP_FILES = 8


def guard_table(places: Places, doubt: Floats) -> str:
    """Return the shares of places that are warned. doubt: (n,) what `held_out_doubt` says of them."""
    warned, whole = doubt > limit_of(places, doubt), is_volume(places)
    rows = [("real nodules, and points beside their middle (false alarms)", *_share(warned[places.label == 1]))]
    large = (places.label == 1) & (places.diameter_mm > 20)
    rows.append(("of them nodules over 20 mm", *_share(warned[large])))
    for name, inside in (("nodule files", ~whole), ("whole volumes", whole)):
        for kind in ("soft", "bone", "edge", "lung"):
            chosen = inside & (places.kind == kind) & (places.label == 0)
            if chosen.any():
                rows.append((f"{name}: {KINDS[kind]}", *_share(warned[chosen])))
    return table(("points", "number", "warned POINT_NOT_IN_LUNG_LESION"), rows)


KINDS = {
    "soft": "heart, vessels, chest wall and other soft tissue (-200 to 200 HU)",
    "bone": "bone (over 200 HU)",
    "edge": "edges of tissue and lung (-600 to -200 HU)",
    "lung": "lung, airways and air outside (under -600 HU)",
}


def _share(warned: NDArray[np.bool_]) -> tuple[int, str]:
    return len(warned), str(exact_share(warned))


CONVERSIONS: dict[str, Callable[[NDArray[np.generic]], NDArray[np.generic]]] = {
    "uint16 with 1024 added": lambda hu: (hu.astype(np.int32).clip(-OFFSET_HU) + OFFSET_HU).astype(np.uint16),
    "8-bit grey (lung window)": lambda hu: ((hu.astype(float) + 1350) / 1500 * 255).clip(0, 255).astype(np.uint8),
    "float 0 to 1": lambda hu: ((hu.astype(float) + 1000) / 2000).clip(0, 1).astype(np.float32),
    "bytes swapped": lambda hu: hu.astype(np.int16).byteswap(),
    "ten times HU": lambda hu: hu.astype(np.int32) * 10,
    "negated": lambda hu: -hu.astype(np.int32),
    "HU as they are (false alarms)": lambda hu: hu,
}


def units_table(data: Path) -> str:
    """Return how often each way to store other numbers than HU is named, over nodule files and whole volumes."""
    files = [(read_volume(row.path), row.point_xyz_mm) for row in read_rows(data / "lidc_nodules")[::STEP_FILES]]
    scans = [(volume, point) for volume, point in files if contains(volume.grid, point)]
    for folder in ("volumes", "volumes_other"):
        scans += [(volume, _middle(volume)) for volume in map(read_volume, sorted((data / folder).glob("*.mha")))]
    rows = []
    for name, convert in CONVERSIONS.items():
        named = [_is_named(CTVolume(convert(volume.hu), volume.grid), point) for volume, point in scans]
        rows.append((name, len(named), str(exact_share(np.array(named)))))
    return table(("voxels", "scans", "refused NOT_HU"), rows)


def _is_named(volume: CTVolume, point: tuple[float, float, float]) -> bool:
    return foreign_scale(fields_around([point], volume), [point], volume) is not None


def _middle(volume: CTVolume) -> tuple[float, float, float]:
    half = (np.array(volume.grid.shape_zyx[::-1]) - 1) / 2
    x, y, z = (volume.grid.origin_xyz_mm + volume.grid.steps_xyz_mm @ half).tolist()
    return x, y, z


def phantom_table(predictor: LesionPredictor, seeds: range) -> str:
    """Return the warnings at the nodules of made-up chests; reported apart, as they are no patients."""
    found: list[tuple[Nodule, list[str]]] = []
    for seed in seeds:
        phantom = make_phantom(seed, shape_zyx=(60, 160, 160), spacing_xyz_mm=(2.0, 2.0, 2.5))
        points = [nodule.point_xyz_mm for nodule in phantom.nodules]
        readings = predictor.readings(points, phantom.volume, fields_around(points, phantom.volume))
        found += [(nodule, list(item.warnings)) for nodule, item in zip(phantom.nodules, readings, strict=True)]
    codes = sorted({code for _, warnings in found for code in warnings})
    rows = [(code, len(found), str(exact_share(np.array([code in item for _, item in found])))) for code in codes]
    return table(("warning at phantom nodules", "nodules", "warned"), rows)
