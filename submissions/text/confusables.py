"""Confusable names (homoglyphs): names that look alike, which a board must not show as two teams.

The table of confusables is Unicode's own (UTS #39, confusables.txt) as the package `confusable_homoglyphs` ships it.
"""

from __future__ import annotations

import functools
import re
import unicodedata

from confusable_homoglyphs.confusables import confusables_data

# Printable according to Unicode, but invisible: fillers, the grapheme joiner, the empty Braille cell.
BLANK_CHARACTERS = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")
UNSEEN = re.compile("[\\s\u00ad\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff]")
# Small letters that UTS #39 separates from Latin ones, but a reader of a board does not: their capitals are the same
# glyph (в below В), or only the serifs differ (μ, τ).
_SMALL_LETTERS = {
    "в": "b", "к": "k", "м": "m", "н": "h", "т": "t", "һ": "h",
    "β": "b", "ε": "e", "ζ": "z", "η": "h", "κ": "k", "μ": "m", "τ": "t", "υ": "y", "χ": "x",
}  # fmt: skip
# I, l, 1 and | are one glyph in many typefaces, and i is the small I; likewise O, o and 0.
_ASCII = str.maketrans({"i": "l", "1": "l", "|": "l", "0": "o", "m": "rn"})
# The length of the column; an index entry of PostgreSQL ends at 2,700 bytes, and one character may become eighteen.
MAX_SKELETON = 400
_DIRECTION_MARK = "\u200e"  # surrounds right-to-left characters in the package's table


def skeleton(name: str) -> str:
    """Return the skeleton of a name, equal for names that a reader would confuse; it is not for display.

    This is the skeleton of UTS #39, section 4, which here also ignores case, spaces and invisible characters. Two names
    are
    confusable exactly when their skeletons are equal, so a unique column can refuse the second.
    """
    text = unicodedata.normalize("NFD", unicodedata.normalize("NFKC", name)).translate(_capital_table()).casefold()
    letters = unicodedata.normalize("NFD", text).translate(_small_letter_table()).translate(_ASCII)
    return UNSEEN.sub("", "".join(char for char in letters if char not in BLANK_CHARACTERS))[:MAX_SKELETON]


@functools.cache
def _prototypes() -> dict[str, str]:
    """Return UTS #39's prototype of every character that has one.

    The package lists each pair in both directions; the pairs form stars, and the prototype is the centre of its star.
    """
    neighbours = {_bare(key): [_bare(pair["c"]) for pair in pairs] for key, pairs in confusables_data.items()}
    return {
        char: _prototype(char, near[0], len(neighbours.get(near[0], ())))
        for char, near in neighbours.items()
        if len(char) == 1 and len(near) == 1
    }


def _prototype(char: str, other: str, degree: int) -> str:
    """Return which of two confusables is the prototype: the centre of the star, the longer, the earlier in Unicode."""
    return other if degree > 1 or len(other) > 1 else min(char, other)


def _bare(text: str) -> str:
    return text.replace(_DIRECTION_MARK, "") or text


@functools.cache
def _capital_table() -> dict[int, str]:
    """Return the replacements for capitals of other alphabets; applied before case folding, since Ν is N but ν is v."""
    return str.maketrans(_capitals())


@functools.cache
def _capitals() -> dict[str, str]:
    """Return the ASCII characters that look like capitals of other alphabets."""
    found = _prototypes().items()
    return {char: to for char, to in found if not char.isascii() and char.isupper() and to.isascii()}


@functools.cache
def _small_letter_table() -> dict[int, str]:
    """Return the replacement for each character, ignoring case.

    A small letter that does not look like an ASCII letter is mapped with its capital. So case separates only letters
    with
    two Latin doubles, such as Greek Ν (N) and ν (v).
    """
    own = {char: to for char, to in _prototypes().items() if not char.isascii()}
    with_capital = {char.lower(): to for char, to in _capitals().items() if not own.get(char.lower(), "é").isascii()}
    return str.maketrans({char: to.casefold() for char, to in (own | with_capital | _SMALL_LETTERS).items()})
