"""Guess what program or habit changed ids that a phase does not know."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence

# What stands around an id that was printed as a text, a list, bytes or a formula.
AROUND_ID = "'\"=[](){}`´‘’“”„«» "
THOUSANDS = re.compile(r"(?<=[0-9])[,.'’ \u00a0\u2009\u202f](?=[0-9]{3}(?![0-9]))")
EXACT_DIGITS = 15  # of a number in a spreadsheet
DATE = re.compile(
    r"[0-9]{1,2}[-. /](?:[A-Za-zäéû]{3,4}\.?|[0-9]{1,2}[-. /][0-9]{2,4})|[0-9]{4}-[0-9]{2}-[0-9]{2}( 00:00:00)?"
)
# The folder and the ending of a file's name.
FILE_NAME = re.compile(r"^.*[/\\]|(?:\.[A-Za-z][A-Za-z0-9]{0,5}){1,2}$")


def _without_unseen(text: str) -> str:
    return "".join(character for character in text if unicodedata.category(character) != "Cf").strip()


def _bare(text: str) -> str:
    return FILE_NAME.sub("", text.strip())


def _unwrapped(text: str) -> str:
    text = text.strip()
    return (text[1:] if text[:2] in ("b'", 'b"') else text).strip(AROUND_ID)


def _is_grouped(text: str, known: Mapping[str, int]) -> bool:
    digits = THOUSANDS.sub("", text)
    return digits != text and digits in known


def _is_rounded(text: str, known: Mapping[str, int]) -> bool:
    """Return whether a long number ends in zeros where an id of the same beginning has other digits."""
    if len(text) <= EXACT_DIGITS or not text.isdecimal() or text[EXACT_DIGITS:].strip("0"):
        return False
    begin = text[: EXACT_DIGITS - 1]
    return any(len(each) == len(text) and each.startswith(begin) and each.isdecimal() for each in known)


def id_hints(unknown: Mapping[str, int], known: Mapping[str, int]) -> list[str]:
    """Return possible reasons for unknown ids, the most likely first."""
    if not unknown:
        return []
    sample = list(unknown)[:2000]
    spaces = any(text not in known and text.strip() in known for text in sample)
    folded = {public_id.casefold() for public_id in known}
    case = any(text.strip().casefold() in folded and text.strip() not in known for text in sample)
    return [hint for is_so, hint in _hint_table(sample, known, spaces, case) if is_so]


def _hint_table(sample: Sequence[str], known: Mapping[str, int], spaces: bool, case: bool) -> list[tuple[bool, str]]:
    bare = {public_id.lstrip("0") for public_id in known if public_id.startswith("0")}
    lost_zeros = any(text.strip() in bare for text in sample)
    scientific = any(re.fullmatch(r"[0-9](?:[.,][0-9]+)?[eE]\+?[0-9]+", text.strip()) for text in sample)
    decimal = any(text.strip().endswith(".0") and text.strip()[:-2] in known for text in sample)
    bare_names = any(_bare(text) != text.strip() and _bare(text) in known for text in sample)
    wrapped = any(_unwrapped(text) != text.strip() and _unwrapped(text) in known for text in sample)
    dates = any(DATE.fullmatch(text.strip()) for text in sample) and not any(map(DATE.fullmatch, known))
    changed = [text.strip() for text in sample if text.strip() not in known]
    grouped = any(_is_grouped(text, known) for text in changed)
    rounded = any(_is_rounded(text, known) for text in changed[:20])
    unseen = any(not text.isprintable() and _without_unseen(text) in known for text in sample)
    return [
        (bare_names, "Some ids have a folder or a file's ending: write the id alone."),
        (wrapped, "Some ids have quotes, brackets or an equals sign around them: write the id alone."),
        (dates, "Some ids have become dates, as happens in Excel: make the id column text."),
        (unseen, "Some ids hold an invisible character: take the ids from the template."),
        (spaces, "Some ids have spaces around them: remove the spaces."),
        (case, "Some ids differ only in upper and lower case: write them exactly as in the template."),
        (lost_zeros, "Some ids have lost their leading zeros, as happens in Excel: make the id column text."),
        (grouped, "Some ids have thousands separators: write their digits alone."),
        (rounded, "Some ids have zeros after their 15th digit, as Excel writes long numbers: make the id column text."),
        (scientific, "Some ids look like 1.2E+05, as Excel writes long numbers: make the id column text."),
        (decimal, "Some ids end in .0, as pandas writes numbers: read the id column with dtype=str."),
    ]
