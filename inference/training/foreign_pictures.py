"""Pictures that are no axial chest slice, made or cut from whole volumes: to fit and judge the slice model's doubt."""

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from scipy import ndimage
from sklearn.datasets import load_sample_image

from inference.ct.geometry import world_to_index
from inference.ct.reading.metaimage import read_volume
from inference.ct.volume import CTVolume

# Windows (level, width) of lung, soft tissue and bone.
WINDOWS = ((-600, 1500), (40, 400), (300, 1500))
# Shares of lung voxels in an axial plane: below the first it shows no chest, above the second it does.
LITTLE_LUNG, MUCH_LUNG = 0.002, 0.06
WORDS = [
    "patient",
    "report",
    "series",
    "lung",
    "CT",
    "axial",
    "512",
    "findings",
    "none",
    "impression",
    "stable",
    "follow-up",
    "in",
    "months",
    "the",
    "of",
    "and",
]
Grey = NDArray[np.uint8]


def noise(rng: np.random.Generator, count: int) -> list[Grey]:
    """Return noise: uniform or Gaussian, fine or coarse, each with a level of its own."""
    return [_noise(rng) for _ in range(count)]


def _noise(rng: np.random.Generator) -> Grey:
    field = rng.normal(size=(256, 256)) if rng.random() < 0.5 else rng.random((256, 256))
    field = ndimage.gaussian_filter(field, rng.choice([0.0, 0.7, 2.0, 6.0, 16.0]))
    low, high = field.min(), field.max()
    bottom, top = sorted(rng.uniform(0, 255, 2))
    return (bottom + (field - low) / (high - low) * max(top - bottom, 20)).clip(0, 255).astype(np.uint8)


def text(rng: np.random.Generator, count: int) -> list[Grey]:
    """Return pages of random words, dark on bright or bright on dark."""
    return [_page(rng) for _ in range(count)]


def _page(rng: np.random.Generator) -> Grey:
    dark = bool(rng.random() < 0.3)
    image = Image.new("L", (int(rng.integers(256, 640)), int(rng.integers(256, 640))), 10 if dark else 245)
    draw, size = ImageDraw.Draw(image), int(rng.integers(10, 34))
    font = ImageFont.load_default(size)
    for line in range(image.height // (size + 6)):
        words = " ".join(rng.choice(WORDS, int(rng.integers(2, 12))))
        draw.text((int(rng.integers(4, 30)), line * (size + 6) + 4), words, 240 if dark else 15, font=font)
    return np.asarray(image)


def shapes(rng: np.random.Generator, count: int) -> list[Grey]:
    """Return gradients with random ellipses and boxes on them."""
    return [_shapes(rng) for _ in range(count)]


def _shapes(rng: np.random.Generator) -> Grey:
    y, x = np.mgrid[-1:1:256j, -1:1:256j]
    ground = 128 + rng.uniform(0, 90) * (x * np.cos(angle := rng.uniform(0, 6.3)) + y * np.sin(angle))
    image = Image.fromarray(ground.clip(0, 255).astype(np.uint8))
    draw = ImageDraw.Draw(image)
    for _ in range(int(rng.integers(0, 9))):
        (x0, x1), (y0, y1) = np.sort(rng.integers(0, 256, (2, 2)), axis=1).tolist()
        form = draw.ellipse if rng.random() < 0.5 else draw.rectangle
        form((x0, y0, x1, y1), fill=int(rng.integers(0, 256)))
    return np.asarray(image)


def photographs(rng: np.random.Generator, count: int, name: str) -> list[Grey]:
    """Return parts of a photograph that comes with scikit-learn, "china.jpg" or "flower.jpg", turned and mirrored."""
    grey = np.asarray(Image.fromarray(load_sample_image(name)).convert("L"))
    return [_part(grey, rng) for _ in range(count)]


def _part(grey: Grey, rng: np.random.Generator) -> Grey:
    height, width = (int(rng.integers(side // 3, side)) for side in grey.shape)
    top, left = int(rng.integers(0, grey.shape[0] - height)), int(rng.integers(0, grey.shape[1] - width))
    part = np.rot90(grey[top : top + height, left : left + width], int(rng.integers(0, 4)))
    return np.ascontiguousarray(part[:, :: int(rng.choice([-1, 1]))])


def planes(path: Path, rng: np.random.Generator, count: int) -> dict[str, list[Grey]]:
    """Return `count` pictures each of a whole scan: "coronal", "sagittal", and "abdomen" and "chest" if it has them."""
    volume = read_volume(path)
    share = lung_share(volume)
    axial = {"abdomen": np.flatnonzero(share < LITTLE_LUNG), "chest": np.flatnonzero(share > MUCH_LUNG)}
    hu = volume.hu
    found = {
        "coronal": [_shown(hu[::-1, y], _ratio(volume, 0), rng) for y in _drawn(rng, hu.shape[1], count)],
        "sagittal": [_shown(hu[::-1, :, x], _ratio(volume, 1), rng) for x in _drawn(rng, hu.shape[2], count)],
    }
    for name, slices in axial.items():
        if slices.size:
            found[name] = [_shown(hu[z], 1.0, rng) for z in rng.choice(slices, count)]
    return found


def lesion_planes(data: Path) -> dict[str, list[Grey]]:
    """Return the axial planes through the middle third of each lesion of the whole scans, in each window, by scan."""
    found = {}
    for folder in ("volumes", "volumes_other"):
        for path in sorted((data / folder).glob("*.mha")):
            with (path.parent / "lesions.csv").open(newline="") as file:
                lesions = list(csv.DictReader(file))
            found[f"{folder}/"] = _through(read_volume(path), lesions)
    return found


def _through(volume: CTVolume, lesions: Sequence[dict[str, str]]) -> list[Grey]:
    pictures = []
    for line in lesions:
        point = [float(line[f"Coord{axis}"]) for axis in "XYZ"]
        z = world_to_index(point, volume.grid)[0]
        reach = float(line["diameter_mm"]) / 6 / volume.grid.spacing_xyz_mm[2]
        slices = np.arange(round(z - reach), round(z + reach) + 1).clip(0, volume.grid.shape_zyx[0] - 1)
        pictures += [_windowed(volume.hu[index], *window) for index in np.unique(slices) for window in WINDOWS]
    return pictures


def lung_share(volume: CTVolume) -> NDArray[np.float64]:
    """Return (z,) the share of each axial plane that is lung: air inside the body, apart from the air around it."""
    thinned = np.asarray(volume.hu[:, ::4, ::4])
    return np.array([_inner_air(plane < -500) for plane in thinned])


def _inner_air(air: NDArray[np.bool_]) -> float:
    parts, _ = ndimage.label(air)
    edge = np.unique(np.concatenate([parts[0], parts[-1], parts[:, 0], parts[:, -1]]))
    return float((air & ~np.isin(parts, edge)).mean())


def _drawn(rng: np.random.Generator, size: int, count: int) -> NDArray[np.int64]:
    """Return positions in the middle three fifths, where the body is."""
    return rng.integers(size // 5, size - size // 5, count)


def _ratio(volume: CTVolume, axis: int) -> float:
    """Return how much larger a slice's distance is than a pixel."""
    return float(volume.grid.spacing_xyz_mm[2] / volume.grid.spacing_xyz_mm[axis])


def _shown(hu: NDArray[np.generic], stretch: float, rng: np.random.Generator) -> Grey:
    grey = _windowed(hu, *WINDOWS[int(rng.integers(0, len(WINDOWS)))])
    return np.asarray(Image.fromarray(grey).resize((grey.shape[1], max(32, round(grey.shape[0] * stretch)))))


def _windowed(hu: NDArray[np.generic], level: float, width: float) -> Grey:
    shown = (np.asarray(hu, dtype=np.float32) - (level - width / 2)) / width * 255
    return np.asarray(shown.clip(0, 255).astype(np.uint8))


def taught(data: Path, seed: int) -> tuple[list[Grey], list[Grey]]:
    """Return pictures to learn the doubt from: no chest slices, and chest slices of volumes/, in several windows."""
    rng = np.random.default_rng(seed)
    foreign = [*noise(rng, 60), *text(rng, 60), *shapes(rng, 60), *photographs(rng, 60, "flower.jpg")]
    return _with_planes(data / "volumes", rng, foreign)


def judged(data: Path, seed: int) -> dict[str, list[Grey]]:
    """Return pictures to judge the doubt by, of other photographs, draws and patients, by kind."""
    rng = np.random.default_rng((seed, 1))
    kinds = {"noise": noise(rng, 40), "text": text(rng, 40), "photographs": photographs(rng, 40, "china.jpg")}
    for path in sorted((data / "volumes_other").glob("*.mha")):
        kinds |= planes(path, rng, 40)
    return kinds


def _with_planes(folder: Path, rng: np.random.Generator, foreign: Sequence[Grey]) -> tuple[list[Grey], list[Grey]]:
    others, chest = list(foreign), []
    for path in sorted(folder.glob("*.mha")):
        found = planes(path, rng, 80)
        chest += found.pop("chest", [])
        others += [picture for pictures in found.values() for picture in pictures]
    return others, chest
