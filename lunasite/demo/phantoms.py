"""The demo's datasets: chests and slices drawn on demand, the same on every machine."""

from __future__ import annotations

import csv
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from inference.ct.phantom import LUNG_CENTERS_X_MM, Nodule, draw, make_phantom
from inference.ct.volume import CTVolume
from inference.ct.writing import write_mha
from submissions.datasets.importing import import_dataset
from submissions.kinds import KINDS
from submissions.models import Dataset

LESIONS, REHEARSAL, SLICES = "phantom-lesions", "phantom-rehearsal", "phantom-slices"
CHESTS = 26
CHEST_SPLITS = ("public",) * 12 + ("private",) * 12 + ("sample",) * 2
CHEST_SHAPE_ZYX, CHEST_SPACING_XYZ_MM = (48, 128, 128), (2.5, 2.5, 3.0)
PICTURES_A_CLASS = 9
PICTURE_SPLITS = ("public",) * 8 + ("sample",)
PICTURE_PIXELS, PICTURE_SPACING_MM = 192, 1.7
WINDOW_HU = (-1000.0, 400.0)

Row = dict[str, object]


def lesion_dataset() -> Dataset:
    """Return the phantom chests with their nodules, drawn at the first call."""
    return _dataset(LESIONS, "lesion", partial(_draw_chests, "phantom", 1000))


def rehearsal_dataset() -> Dataset:
    """Return other chests: what an ended phase shows in full must not be hidden in an open one."""
    return _dataset(REHEARSAL, "lesion", partial(_draw_chests, "rehearsal", 3000))


def slice_dataset() -> Dataset:
    """Return the phantom slices in four classes, drawn at the first call."""
    return _dataset(SLICES, "slice", _draw_pictures)


def _dataset(name: str, kind: str, draw_into: Callable[[Path], Iterator[Row]]) -> Dataset:
    if dataset := Dataset.objects.filter(name=name).first():
        return dataset
    with tempfile.TemporaryDirectory(prefix="lunasite-demo-") as folder:
        images = Path(folder)
        truth = images / "truth.csv"
        write_rows(truth, list(draw_into(images)))
        return import_dataset(kind=kind, name=name, truth=truth, images=images, split_column="split")


def write_rows(path: Path, rows: list[Row]) -> None:
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def _draw_chests(prefix: str, first_seed: int, images: Path) -> Iterator[Row]:
    """Write one .mha per chest and yield one row per nodule; a lesion's number does not reveal its label."""
    rng = np.random.default_rng(first_seed + 1025)
    for number, split in zip(range(CHESTS), CHEST_SPLITS, strict=True):
        labels = tuple(bool(label) for label in rng.permutation([True, True, False, False]))
        phantom = make_phantom(
            first_seed + number, labels=labels, shape_zyx=CHEST_SHAPE_ZYX, spacing_xyz_mm=CHEST_SPACING_XYZ_MM
        )
        series = f"{prefix}.{number + 1:03d}"
        write_mha(phantom.volume, images / f"{series}.mha")
        for lesion, nodule in enumerate(phantom.nodules, start=1):
            point = dict(zip(("CoordX", "CoordY", "CoordZ"), nodule.point_xyz_mm, strict=True))
            ids = {"PatientID": f"P{number + 1:03d}", "SeriesInstanceUID": series, "LesionID": lesion}
            yield ids | point | {"label": int(nodule.is_malignant), "split": split}


def _draw_pictures(images: Path) -> Iterator[Row]:
    rng = np.random.default_rng(2026)
    classes = [name for name in KINDS["slice"].class_names for _ in range(PICTURES_A_CLASS)]
    splits = PICTURE_SPLITS * len(KINDS["slice"].class_names)
    for number, index in enumerate(rng.permutation(len(classes)), start=1):
        name = f"slice-{number:03d}.png"
        draw_picture(classes[index], rng).save(images / name)
        yield {"id": name.removesuffix(".png"), "file": name, "label": classes[index], "split": splits[index]}


def draw_picture(class_name: str, rng: np.random.Generator) -> Image.Image:
    """Draw one axial slice; the features that separate the classes are a rule of the demo, not of medicine."""
    shape, spacing = (1, PICTURE_PIXELS, PICTURE_PIXELS), (PICTURE_SPACING_MM, PICTURE_SPACING_MM, 2.5)
    edge = -(PICTURE_PIXELS - 1) * PICTURE_SPACING_MM / 2
    empty = CTVolume.at(np.zeros(shape, dtype=np.int16), spacing, (edge, edge, 0.0))
    volume = draw(empty, _tumours(class_name, rng), rng, half_height_mm=1.0)
    low, high = WINDOW_HU
    grey = np.clip((volume.hu[0] - low) / (high - low), 0, 1) * 255
    return Image.fromarray(grey.astype(np.uint8))


def _tumours(class_name: str, rng: np.random.Generator) -> tuple[Nodule, ...]:
    """Return no tumour for normal, else one: spiky and peripheral, large and round, or near the middle."""
    looks = {
        "adenocarcinoma": (1.35, rng.uniform(14, 24), 0.4),
        "large_cell_carcinoma": (1.15, rng.uniform(34, 48), 0.05),
        "squamous_cell_carcinoma": (0.6, rng.uniform(20, 32), 0.2),
    }
    if class_name not in looks:
        return ()
    reach, diameter_mm, spiculation = looks[class_name]
    point = (float(rng.choice(LUNG_CENTERS_X_MM) * reach), float(rng.uniform(-35, 35)), 0.0)
    return (Nodule(point, float(diameter_mm), 30.0, 1.5, spiculation, is_malignant=True),)
