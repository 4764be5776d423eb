"""What the lesion model computes beside its network, fitted: a regression on the measures, and the guard of places."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from inference.ct.geometry import contains, index_to_world
from inference.ct.lesion_fields import Fields, fields_around
from inference.ct.lesion_shape import Shape, measure
from inference.ct.reading.metaimage import read_volume
from inference.ct.volume import CTVolume
from inference.networks.model.lesion_judge import hand_features
from inference.networks.model.trees import Trees

from .data import NoduleRow, read_rows

HAND_PENALTY = 0.1
GUARD_FOLDS = 5
TREES = 300
# The share of real nodules that the guard may doubt, by points of patients that it had not seen.
FALSE_ALARMS = 0.035
CLICK_SPREAD_MM = 0.8
CLEAR_MM = 5.0
PLACES_PER_FILE = 5
PLACES_PER_VOLUME = 900
LUNG_HU, EDGE_HU, BONE_HU = -600.0, -200.0, 200.0
KEPT_OF_LUNG = 0.15
LARGE_MM = 14.0
Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Places:
    """Points that are a nodule (label 1) and points that are not (0).

    values: (n, measures). label: (n,). source: (n,) patients, or a volume's name. kind: (n,) "nodule", "lung", "edge",
    "soft" or "bone", by the HU at the point. diameter_mm: (n,), 0 where there is no nodule.
    """

    values: Floats
    label: NDArray[np.int64]
    source: NDArray[np.str_]
    kind: NDArray[np.str_]
    diameter_mm: Floats


def nodule_fields(rows: Sequence[NoduleRow]) -> tuple[list[Fields], list[Shape]]:
    """Return the fields and measures at each nodule's own point, which must lie in its file."""
    fields = [fields_around([row.point_xyz_mm], read_volume(row.path))[0] for row in rows]
    return fields, [measure(field) for field in fields]


def fit_hand(values: Floats, label: NDArray[np.int64]) -> tuple[Floats, float]:
    """Return weight and bias of the regression on `hand_features`. values: (n, measures). label: (n,) 0 or 1."""
    model = make_pipeline(StandardScaler(), LogisticRegression(C=HAND_PENALTY, max_iter=3000))
    model.fit(hand_features(values), label)
    scaler, regression = model[0], model[1]
    weight = regression.coef_[0] / scaler.scale_
    return weight, float(regression.intercept_[0] - weight @ scaler.mean_)


def fit_guard(places: Places, rows: NDArray[np.int64], trees: int = TREES) -> HistGradientBoostingClassifier:
    """Return boosted trees fitted to tell nodules from other places; large nodules, which are few, count fourfold."""
    weight = np.where((places.label == 1) & (places.diameter_mm > LARGE_MM), 4.0, 1.0)
    model = HistGradientBoostingClassifier(
        max_iter=trees, learning_rate=0.06, max_leaf_nodes=8, l2_regularization=1.0, random_state=0
    )
    return model.fit(places.values[rows], places.label[rows], sample_weight=weight[rows])


def held_out_doubt(places: Places, trees: int = TREES) -> Floats:
    """Return (n,) the doubt of each place by trees that had seen neither its patient nor any whole volume."""
    doubt = np.zeros(len(places.label))
    files = np.flatnonzero(~is_volume(places))
    for seen, unseen in GroupKFold(GUARD_FOLDS).split(files, groups=places.source[files]):
        model = fit_guard(places, files[seen], trees)
        doubt[files[unseen]] = model.predict_proba(places.values[files[unseen]])[:, 0]
    volumes = np.flatnonzero(is_volume(places))
    if volumes.size:
        names = {name.removesuffix(VOLUME) for name in places.source[volumes]}
        model = fit_guard(places, files[~np.isin(places.source[files], list(names))], trees)
        doubt[volumes] = model.predict_proba(places.values[volumes])[:, 0]
    return doubt


def is_volume(places: Places) -> NDArray[np.bool_]:
    return np.char.endswith(places.source, VOLUME)


def limit_of(places: Places, doubt: Floats) -> float:
    """Return the doubt that only FALSE_ALARMS of the nodules exceed."""
    return float(np.quantile(doubt[places.label == 1], 1 - FALSE_ALARMS))


def as_trees(model: HistGradientBoostingClassifier) -> Trees:
    """Return scikit-learn's trees as arrays; they give the same logit."""
    nodes = [predictor[0].nodes for predictor in model._predictors]
    size = max(len(tree) for tree in nodes)
    shape = (len(nodes), size)
    feature, threshold, value = np.zeros(shape, np.intp), np.full(shape, np.inf), np.zeros(shape)
    left = np.tile(np.arange(size), (len(nodes), 1))
    right = left.copy()
    for number, tree in enumerate(nodes):
        inner = np.flatnonzero(tree["is_leaf"] == 0)
        feature[number, inner], threshold[number, inner] = tree["feature_idx"][inner], tree["num_threshold"][inner]
        left[number, inner], right[number, inner] = tree["left"][inner], tree["right"][inner]
        value[number, : len(tree)] = tree["value"]
    depth = max(int(tree["depth"].max()) for tree in nodes)
    return Trees(feature, threshold, left, right, value, float(model._baseline_prediction.ravel()[0]), depth)


VOLUME = " (whole)"


def gather_places(data: Path, seed: int, step: int = 1) -> Places:
    """Return nodules and other places of every step-th nodule file, and a step-th of those of the whole volumes.

    A place in a nodule file is other when it lies in plane at least CLEAR_MM beyond the nodule; of lung, which is most
    of what is there, a part is kept. data: holds lidc_nodules/, and volumes/ and volumes_other/ if there are any.
    """
    rng = np.random.default_rng(seed)
    parts = [_of_file(row, rng) for row in read_rows(data / "lidc_nodules")[::step]]
    for folder in ("volumes", "volumes_other"):
        parts += [_of_volume(path, rng, PLACES_PER_VOLUME // step) for path in sorted((data / folder).glob("*.mha"))]
    found = [place for part in parts for place in part]
    values, label, source, kind, diameter = zip(*found, strict=True)
    return Places(np.array(values), np.array(label), np.array(source), np.array(kind), np.array(diameter, dtype=float))


Place = tuple[Floats, int, str, str, float]


def _of_file(row: NoduleRow, rng: np.random.Generator) -> list[Place]:
    volume = read_volume(row.path)
    point = np.array(row.point_xyz_mm)
    if not contains(volume.grid, point):
        return []
    clicked = point + rng.normal(0, CLICK_SPREAD_MM, 3)
    nodule = [point, clicked if contains(volume.grid, clicked) else point]
    others, kinds = [], []
    for _ in range(60):
        place = index_to_world(rng.uniform((-0.4, 2, 2), np.array(volume.grid.shape_zyx) - (0.6, 3, 3)), volume.grid)
        kind = kind_at(volume, place)
        far = float(np.hypot(*(place - point)[:2])) >= row.diameter_mm / 2 + CLEAR_MM
        if far and (kind != "lung" or rng.random() < KEPT_OF_LUNG):
            others.append(place)
            kinds.append(kind)
        if len(others) == PLACES_PER_FILE:
            break
    shapes = [measure(field) for field in fields_around([*nodule, *others], volume)]
    ours = [(shape.values, 1, row.patient, "nodule", row.diameter_mm) for shape in shapes[:2]]
    return [*ours, *((s.values, 0, row.patient, kind, 0.0) for s, kind in zip(shapes[2:], kinds, strict=True))]


def _of_volume(path: Path, rng: np.random.Generator, tries: int) -> list[Place]:
    """Return up to `tries` random places of a whole scan but its border; the few in a lesion are not known as such."""
    volume = read_volume(path)
    low, high = np.array((5, 60, 60)), np.array(volume.grid.shape_zyx) - (5, 60, 60)
    name = ("LIDC-IDRI-0001" if path.parent.name == "volumes" else path.stem) + VOLUME
    found: list[Place] = []
    for _ in range(tries):
        place = index_to_world(rng.uniform(low, high), volume.grid)
        kind = kind_at(volume, place)
        if kind == "lung" and rng.random() > 0.3:
            continue
        found.append((measure(fields_around([place], volume)[0]).values, 0, name, kind, 0.0))
    return found


def kind_at(volume: CTVolume, point_xyz_mm: NDArray[np.float64]) -> str:
    """Return what the HU at a point suggests: lung (or air), edge, soft tissue or bone."""
    field = fields_around([point_xyz_mm], volume)[0].near
    hu = float(field[5, 22:26, 22:26].mean())
    limits = ((LUNG_HU, "lung"), (EDGE_HU, "edge"), (BONE_HU, "soft"))
    return next((name for limit, name in limits if hu < limit), "bone")
