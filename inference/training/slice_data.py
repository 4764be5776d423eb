"""The published slices: table, groups that must not be split, and variants as other sites would publish them."""

import csv
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from inference.ct.reading.picture import read_picture
from inference.slice_classes import SLICE_CLASSES

# l4.png and sq2.png are the same picture with two labels; it is kept once, with the label listed first.
DROPPED = ("sq2.png",)
SERIES_NAME = re.compile(r"\d{6}(?: \((\d+)\))?\.png")
SINGLE = "group"

Grey = NDArray[np.uint8]


@dataclass(frozen=True)
class SliceRow:
    """One published picture.

    group: shared by near-duplicates. series: shared by pictures numbered in one sequence, which appear
    to come from one scan and so from one patient.
    """

    path: Path
    split: str
    label: int
    group: str
    series: str

    @property
    def is_numbered(self) -> bool:
        """Whether its series is a numbered sequence, not a single picture with its near-duplicates."""
        return self.series != f"{SINGLE} {self.group}"


def read_rows(folder: Path) -> list[SliceRow]:
    """Return the table of `folder` (manifest.csv beside train/ and valid/), with the duplicate picture once."""
    with (folder / "manifest.csv").open(newline="") as file:
        return [_row(folder, line) for line in csv.DictReader(file) if line["file"] not in DROPPED]


def _row(folder: Path, line: dict[str, str]) -> SliceRow:
    label = line["label"].replace(".", "_")
    path = folder / line["split"] / line["folder"] / line["file"]
    group = line["near_dup_group"]
    return SliceRow(path, line["split"], SLICE_CLASSES.index(label), group, series_of(line["file"], label, group))


def series_of(name: str, label: str, group: str) -> str:
    """Return the numbered sequence that a cancer picture belongs to, or its near-duplicate group."""
    match = SERIES_NAME.fullmatch(name)
    if match is None or label == "normal":
        return f"{SINGLE} {group}"
    return f"{label} {match.group(1) or 1}"


def read_greys(rows: Sequence[SliceRow]) -> list[Grey]:
    """Return each picture as 8-bit grey, by the same rule as in serving."""
    return [read_picture(row.path).grey for row in rows]


@dataclass(frozen=True, eq=False)
class Pictures:
    """The pictures of one published split, in the order of the table."""

    rows: tuple[SliceRow, ...]
    greys: tuple[Grey, ...]

    @property
    def label(self) -> NDArray[np.int64]:
        return np.array([row.label for row in self.rows])

    @property
    def group(self) -> NDArray[np.str_]:
        return np.array([row.group for row in self.rows])

    @property
    def series(self) -> NDArray[np.str_]:
        return np.array([row.series for row in self.rows])


def read_part(folder: Path, split: str) -> Pictures:
    """Return the pictures of one split, "train" or "valid". Raises OSError and InvalidImageFile."""
    rows = [row for row in read_rows(folder) if row.split == split]
    return Pictures(tuple(rows), tuple(read_greys(rows)))


OTHER_BLOCKS = 5


def read_other(folder: Path) -> Pictures:
    """Return the pictures of the second source with their `other_rows`. Raises OSError and InvalidImageFile."""
    rows = other_rows(folder)
    return Pictures(tuple(rows), tuple(read_greys(rows)))


def other_rows(folder: Path) -> list[SliceRow]:
    """Return the table of the second source: label "normal", or for malignant ones 0, as their type is not known.

    folder: slices_other/. Benign findings count as normal: no cancer. Neighbouring numbers are slices of one patient,
    so group and series are blocks of numbers: a fifth of each folder.
    """
    with (folder / "manifest.csv").open(newline="") as file:
        lines = sorted(csv.DictReader(file), key=lambda line: (line["folder"], _number(line["file"])))
    rows = []
    for name in sorted({line["folder"] for line in lines}):
        part = [line for line in lines if line["folder"] == name]
        for position, line in enumerate(part):
            block = f"{name} {position * OTHER_BLOCKS // len(part)}"
            label = 0 if line["label"] == "malignant" else SLICE_CLASSES.index("normal")
            rows.append(SliceRow(folder / name / line["file"], "other", label, block, block))
    return rows


def _number(name: str) -> int:
    return int("".join(letter for letter in name if letter.isdigit()) or 0)


def vary_picture(grey: Grey, rng: np.random.Generator) -> Grey:
    """Return the picture (height, width) as another site would have published it: window, border, size, sharpness.

    Height and width change. The same state of `rng` gives the same picture.
    """
    picture = _rewindowed(grey, rng)
    picture = _reframed(picture, rng)
    image = Image.fromarray(picture)
    image = image.rotate(float(rng.uniform(-8, 8)), Image.Resampling.BILINEAR)
    return np.asarray(_recompressed(image, rng))


def _rewindowed(grey: Grey, rng: np.random.Generator) -> Grey:
    """Return the picture with another window: levels clipped at both ends, gamma changed, made darker or lighter."""
    low, high = rng.uniform(0, 0.08), rng.uniform(0.7, 1.05)
    level = np.clip((grey / 255 - low) / (high - low), 0, 1) ** float(np.exp(rng.normal(0, 0.3)))
    bottom, top = rng.uniform(0, 25), rng.uniform(140, 255)
    return (bottom + level * (top - bottom)).astype(np.uint8)


def _reframed(grey: Grey, rng: np.random.Generator) -> Grey:
    """Return the picture with each border cropped a little, or padded with black, grey or white."""
    height, width = grey.shape
    top, bottom = (rng.uniform(-0.08, 0.05, 2) * height).astype(int)
    left, right = (rng.uniform(-0.08, 0.05, 2) * width).astype(int)
    cut = grey[max(top, 0) : height - max(bottom, 0), max(left, 0) : width - max(right, 0)]
    colour = int(rng.choice((0, 0, 128, 255)))
    around = ((max(-top, 0), max(-bottom, 0)), (max(-left, 0), max(-right, 0)))
    return np.pad(cut, around, constant_values=colour)


def _recompressed(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Return the picture after another site's resizing, blur and JPEG."""
    scale = float(rng.uniform(0.6, 1.2))
    size = (max(48, round(image.width * scale)), max(48, round(image.height * scale)))
    image = image.resize(size, Image.Resampling.BILINEAR)
    if rng.random() < 0.3:
        image = image.filter(ImageFilter.GaussianBlur(float(rng.uniform(0.3, 0.9))))
    if rng.random() < 0.5:
        buffer = io.BytesIO()
        image.save(buffer, "JPEG", quality=int(rng.integers(50, 95)))
        image = Image.open(buffer)
    return image
