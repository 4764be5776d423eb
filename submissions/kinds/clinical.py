"""Normalise the clinical data of a patient to the spelling that the HTTP contract uses.

pandas writes a column with one missing value as 55.0 and 20010101.0; other tables have F, 2001-01-01 or DICOM's
055Y. A value with only one meaning is converted to the contract's form; anything else is refused with a sentence.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime

OLDEST_YEARS = 130
DATE = re.compile(r"([0-9]{8})(?:\.0*)?")
ISO_DATE = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})(?:[T ]00:00:00)?")
AGE = re.compile(r"([0-9]{1,3})(?:\.0*)?|([0-9]{3})Y")
GENDERS = {"male": "Male", "m": "Male", "female": "Female", "f": "Female"}


def study_date(text: str) -> str:
    """Return a real date as YYYYMMDD. Raises ValueError with a sentence."""
    plain, iso = DATE.fullmatch(text), ISO_DATE.fullmatch(text)
    digits = plain[1] if plain else "".join(iso.groups()) if iso else ""
    try:
        datetime.strptime(digits, "%Y%m%d")
    except ValueError:
        raise ValueError(f"StudyDate is not a date as YYYYMMDD: {text!r}") from None
    return digits


def age_years(text: str) -> str:
    """Return a whole number of years from 0 to 130. Raises ValueError with a sentence."""
    found = AGE.fullmatch(text)
    years = int(found[1] or found[2]) if found else OLDEST_YEARS + 1
    if years > OLDEST_YEARS:
        raise ValueError(f"Age_at_StudyDate is not a whole number of years from 0 to {OLDEST_YEARS}: {text!r}")
    return str(years)


def gender(text: str) -> str:
    """Return Male or Female. Raises ValueError with a sentence."""
    if text.lower() not in GENDERS:
        raise ValueError(f"Gender is none of Male, Female, M, F: {text!r}")
    return GENDERS[text.lower()]


# By LUNA25's column names.
READERS: dict[str, Callable[[str], str]] = {
    "StudyDate": study_date,
    "Age_at_StudyDate": age_years,
    "Gender": gender,
}
