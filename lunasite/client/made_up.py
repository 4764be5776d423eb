"""Synthetic cases for a trial at home when a phase has no public sample cases; they only look like real ones."""

from __future__ import annotations

import functools
import io
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from inference.ct.phantom import make_phantom
from inference.ct.writing import write_mha
from lunasite.client.driver_archive import folder, replace_file
from lunasite.demo.phantoms import draw_picture
from submissions.kinds import Kind

SEED = 4711
COUNT = 2
CHEST_SHAPE_ZYX, CHEST_SPACING_XYZ_MM = (48, 128, 128), (2.5, 2.5, 3.0)


@dataclass(frozen=True)
class MadeUpCase:
    """A synthetic case of a kind; its image is drawn on demand."""

    number: int
    suffix: str
    facts: dict[str, Any]
    draw: Callable[[], bytes]

    def file(self) -> Path:
        """Return the image's file, drawn at the first call on this machine."""
        path = folder() / f"made-up-{self.number}{self.suffix}"
        if not path.is_file():
            replace_file(path, self.draw())
        return path


def made_up_cases(kind: Kind) -> list[MadeUpCase]:
    """Return a few synthetic cases of a kind: chests with a nodule, or pictures of a slice."""
    suffix = kind.image_suffixes[0]
    if suffix == ".mha":
        return [_chest(kind, number) for number in range(1, COUNT + 1)]
    return [_picture(kind, number, suffix) for number in range(1, COUNT + 1)]


def _chest(kind: Kind, number: int) -> MadeUpCase:
    nodule = _phantom(number).nodules[0]
    point = dict(zip(("coordx", "coordy", "coordz"), (f"{value:.3f}" for value in nodule.point_xyz_mm), strict=True))
    ids = {"seriesinstanceuid": f"made-up.{number}", "lesionid": "1", "label": "0"}
    record = point | ids | {"gender": "Female", "age_at_studydate": "61"}
    return MadeUpCase(number, ".mha", kind.read_row(record).facts, lambda: _mha(number))


def _picture(kind: Kind, number: int, suffix: str) -> MadeUpCase:
    name = kind.class_names[number % len(kind.class_names)]
    facts = kind.read_row({"id": f"made-up-{number}", "label": name}).facts
    return MadeUpCase(number, suffix, facts, lambda: _png(name, number))


@functools.cache
def _phantom(number: int) -> Any:
    return make_phantom(SEED + number, labels=(True,), shape_zyx=CHEST_SHAPE_ZYX, spacing_xyz_mm=CHEST_SPACING_XYZ_MM)


def _mha(number: int) -> bytes:
    with tempfile.TemporaryDirectory() as drawn:
        path = Path(drawn) / "made-up.mha"
        write_mha(_phantom(number).volume, path)
        return path.read_bytes()


def _png(class_name: str, number: int) -> bytes:
    out = io.BytesIO()
    draw_picture(class_name, np.random.default_rng(SEED + number)).save(out, "PNG")
    return out.getvalue()
