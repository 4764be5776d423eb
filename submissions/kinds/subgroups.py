"""The groups of patients and lesions that results are told apart by: sex, age, size, site.

A ground-truth table may hold a size and a site of each case. They stay on the platform: no request and no file of a
container names them.
"""

from __future__ import annotations

import math

from .base import Facts, Record, plain_float
from .clinical import READERS

CLINICAL_COLUMNS = {"studydate": "StudyDate", "age_at_studydate": "Age_at_StudyDate", "gender": "Gender"}
SIZE_COLUMNS = ("diameter_mm", "size_mm")
SITE_COLUMNS = ("site", "center", "centre", "institution")
# For organisers: which columns reports tell results apart by.
TABLE_OPTIONAL = (
    ("Gender", "Male or Female, M or F: results by sex"),
    ("Age_at_StudyDate", "years: results by age"),
    ("StudyDate", "YYYYMMDD or YYYY-MM-DD; containers get it with sex and age"),
    (" or ".join(SIZE_COLUMNS), "of the lesion: results by size; no container gets it"),
    (" or ".join(SITE_COLUMNS[:2]), "where the scan is from: results by site; no container gets it"),
)
MAX_SITE_LENGTH = 64
LARGEST_MM = 500.0

# The decades of screening, and the sizes at which guidelines part nodules (Fleischner 2017; a mass is over 30 mm).
AGES = ((50, "under 50"), (60, "50–59"), (70, "60–69"), (math.inf, "70 and over"))
SIZES_MM = ((6, "under 6 mm"), (8, "6 to 8 mm"), (15, "8 to 15 mm"), (30, "15 to 30 mm"), (math.inf, "30 mm and over"))


def clinical_facts(record: Record) -> dict[str, str]:
    """Return the clinical cells of a row in the contract's spelling. Raises ValueError with a sentence."""
    given = {name: record[key] for key, name in CLINICAL_COLUMNS.items() if record.get(key)}
    return {name: READERS[name](text) for name, text in given.items()}


def group_facts(record: Record) -> dict[str, str | float]:
    """Return site and diameter (mm) of a row where it has them. Raises ValueError with a sentence."""
    found: dict[str, str | float] = {}
    if site := next((record[name] for name in SITE_COLUMNS if record.get(name)), ""):
        found["site"] = site[:MAX_SITE_LENGTH]
    if size := next((record[name] for name in SIZE_COLUMNS if record.get(name)), ""):
        found["diameter_mm"] = _diameter_mm(size)
    return found


def _diameter_mm(text: str) -> float:
    try:
        diameter_mm = plain_float(text)
    except ValueError:
        diameter_mm = math.nan
    if not 0 < diameter_mm <= LARGEST_MM:  # also false for NaN
        raise ValueError(f"the size is not a number of millimetres from 0 to {LARGEST_MM:g}: {text!r}")
    return diameter_mm


def subgroups_of(facts: Facts) -> dict[str, str]:
    """Return the group of a case by what groups it (`sex`, `age`, `size`, `site`), of what is known of it."""
    clinical, groups = facts.get("clinical", {}), facts.get("groups", {})
    found = {"sex": str(clinical.get("Gender", "")), "site": str(groups.get("site", ""))}
    age = str(clinical.get("Age_at_StudyDate", ""))
    found["age"] = _band(float(age), AGES) if age.isdigit() else ""
    found["size"] = _band(float(groups["diameter_mm"]), SIZES_MM) if "diameter_mm" in groups else ""
    return {name: found[name] for name in ("sex", "age", "size", "site") if found[name]}


def _band(value: float, bands: tuple[tuple[float, str], ...]) -> str:
    """Return the name of the first band whose end is above the value."""
    return next(name for end, name in bands if value < end)
