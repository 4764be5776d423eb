"""Decide which warnings the answer for a point carries (inference/networks/answer_warnings.py)."""

from numpy.typing import ArrayLike

from inference.ct.hounsfield import has_default_geometry, share_outside, slice_distance_mm
from inference.ct.volume import Scan
from inference.networks.answers import LesionWarning
from inference.networks.model.lesion_judge import Judgement

FIELD_MM = 25.6
THICK_MM = 3.05
# Nodule files end 15 mm beside the nodule, on one side a little less.
MAX_OUTSIDE = 0.2
UNSTABLE_RANGE = 0.2


def lesion_warnings(
    judgement: Judgement, guard_limit: float, point_xyz_mm: ArrayLike, scan: Scan
) -> list[LesionWarning]:
    """Return the codes that apply, in the order of LESION_WARNINGS. guard_limit: the doubt from which to warn."""
    found: dict[LesionWarning, bool] = {
        "DEFAULT_GEOMETRY": has_default_geometry(scan),
        "POINT_NOT_IN_LUNG_LESION": judgement.doubt > guard_limit,
        "LARGER_THAN_FIELD": max(judgement.diameter_mm, judgement.size_mm) > FIELD_MM,
        "THICK_SLICES": slice_distance_mm(scan) > THICK_MM,
        "NEAR_BORDER": share_outside(point_xyz_mm, scan, FIELD_MM / 2) > MAX_OUTSIDE,
        "UNSTABLE": judgement.reach > UNSTABLE_RANGE,
    }
    return [code for code, applies in found.items() if applies]
