"""Every warning that an answer can carry, and every refusal for the same reasons: one table, documented in docs/api.md.

Plain values: no torch, no Django.
"""

from collections.abc import Iterable

# Codes of the volume's and of the picture's answers, with what the caller reads.
WARNINGS: dict[str, str] = {
    "NOT_HU": "The voxels do not look like Hounsfield units; the answer was given because allowNonHu was sent.",
    "DEFAULT_GEOMETRY": "The header holds only what a program writes that knows no geometry: voxels of 1 x 1 x 1 mm "
    "from 0, 0, 0. If spacing and origin were lost on the way, size and probability are wrong.",
    "POINT_NOT_IN_LUNG_LESION": "At this point the model sees no lung lesion but heart, bone, chest wall, vessel, air "
    "or normal lung: check the coordinate. The probability means nothing if there is no lesion.",
    "LARGER_THAN_FIELD": "With its faint edge the lesion measures more than the 26 mm that the network sees, and was "
    "shown to it smaller; few lesions of this size were in the training data.",
    "THICK_SLICES": "The slices are more than 3 mm apart, thicker than any in the training data.",
    "NEAR_BORDER": "The point lies so near the border of the volume that part of what the network sees is made up.",
    "UNSTABLE": "The probability changes by more than 0.2 when the point is moved by 2 mm: check the coordinate.",
    "LOW_RANGE": "The picture uses a small part of its 16 bits; it was scaled to what it uses.",
    "INVERTED": "The corners of the picture are bright, as where white means air: invert the grey levels if it does.",
    "NOT_A_CHEST_CT": "The picture does not look like an axial slice of a chest CT: the classes mean nothing then.",
    "UNFAMILIAR_SOURCE": "The picture is unlike those of the training data, as from another scanner or site: the "
    "answer may be wrong however sure it looks.",
}  # fmt: skip
LESION_WARNINGS = (
    "NOT_HU", "DEFAULT_GEOMETRY", "POINT_NOT_IN_LUNG_LESION", "LARGER_THAN_FIELD", "THICK_SLICES", "NEAR_BORDER",
    "UNSTABLE",
)  # fmt: skip
SLICE_WARNINGS = ("LOW_RANGE", "INVERTED", "NOT_A_CHEST_CT", "UNFAMILIAR_SOURCE")
# Reasons for which no answer is given (400, `details.reason`).
REFUSALS: dict[str, str] = {
    "NOT_HU": "The voxels do not look like Hounsfield units",
    "NO_CONTRAST": "The picture is blank: its pixels have nearly the same brightness. Send a slice with its contrast.",
}
TRANSPARENT = "All of the picture is transparent, so nothing of it is seen: save it without its alpha channel."


def as_json(codes: Iterable[str]) -> list[dict[str, str]]:
    """Return warnings as an answer holds them: a list of code and message."""
    return [{"code": code, "message": WARNINGS[code]} for code in codes]
