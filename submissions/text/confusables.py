"""Names that look alike (confusables, homoglyphs): what a board must not show as two teams.

The table of look-alikes is Unicode's own (UTS #39, confusables.txt) as the package `confusable_homoglyphs` ships it.
"""

from __future__ import annotations

import functools
import re
import unicodedata

from confusable_homoglyphs.confusables import confusables_data

# Printable by Unicode's word, and yet nothing is seen: fillers, the grapheme joiner, the empty Braille cell.
BLANK_CHARACTERS = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")
UNSEEN = re.compile("[\\s\u00ad\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff]")
# Small letters that UTS #39 keeps apart from Latin ones and that a reader of a board does not: their capitals are the
# same glyph (в below В), or the serifs are all that differs (μ, τ).
_SMALL_LETTERS = {
    "в": "b", "к": "k", "м": "m", "н": "h", "т": "t", "һ": "h",
    "β": "b", "ε": "e", "ζ": "z", "η": "h", "κ": "k", "μ": "m", "τ": "t", "υ": "y", "χ": "x",
}  # fmt: skip
# I, l, 1 and | are one glyph in many typefaces, and i is I in small; so are O, o and 0.
_ASCII = str.maketrans({"i": "l", "1": "l", "|": "l", "0": "o", "m": "rn"})
# A column holds no more; an index entry of PostgreSQL ends at 2,700 bytes, and one character may become eighteen.
MAX_SKELETON = 400
_DIRECTION_MARK = "\u200e"  # stands around right-to-left characters in the package's table


def skeleton(name: str) -> str:
    """Return the same text for names that a reader would take for one another; it is not for display.

    The skeleton of UTS #39, section 4, made blind to case, spaces and invisible characters as well. Two names are
    confusable exactly when their skeletons are equal, so that a unique column can refuse the second.
    """
    text = unicodedata.normalize("NFD", unicodedata.normalize("NFKC", name)).translate(_capital_table()).casefold()
    letters = unicodedata.normalize("NFD", text).translate(_small_letter_table()).translate(_ASCII)
    return UNSEEN.sub("", "".join(char for char in letters if char not in BLANK_CHARACTERS))[:MAX_SKELETON]


@functools.cache
def _prototypes() -> dict[str, str]:
    """Return UTS #39's prototype of every character that has one.

    The package lists each pair in both directions; the pairs form stars, and the prototype is the middle of its star.
    """
    neighbours = {_bare(key): [_bare(pair["c"]) for pair in pairs] for key, pairs in confusables_data.items()}
    return {
        char: _prototype(char, near[0], len(neighbours.get(near[0], ())))
        for char, near in neighbours.items()
        if len(char) == 1 and len(near) == 1
    }


def _prototype(char: str, other: str, degree: int) -> str:
    """Return which of two confusables stands for both: the middle of the star, the longer, the earlier in Unicode."""
    return other if degree > 1 or len(other) > 1 else min(char, other)


def _bare(text: str) -> str:
    return text.replace(_DIRECTION_MARK, "") or text


@functools.cache
def _capital_table() -> dict[int, str]:
    """Return what stands for the capitals of other alphabets; used before case is folded, since Ν is N and ν is v."""
    return str.maketrans(_capitals())


@functools.cache
def _capitals() -> dict[str, str]:
    """Return the ASCII characters that capitals of other alphabets are drawn as."""
    found = _prototypes().items()
    return {char: to for char, to in found if not char.isascii() and char.isupper() and to.isascii()}


@functools.cache
def _small_letter_table() -> dict[int, str]:
    """Return what stands for each character without case.

    A small letter that is drawn as no ASCII one goes with its capital, so that case alone parts only letters that have
    two Latin doubles, such as Greek Ν (N) and ν (v).
    """
    own = {char: to for char, to in _prototypes().items() if not char.isascii()}
    with_capital = {char.lower(): to for char, to in _capitals().items() if not own.get(char.lower(), "é").isascii()}
    return str.maketrans({char: to.casefold() for char, to in (own | with_capital | _SMALL_LETTERS).items()})
