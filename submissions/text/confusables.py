"""Names that look alike: what a board must not show as two teams."""

from __future__ import annotations

import re
import unicodedata

# Printable by Unicode's word, and yet nothing is seen: fillers, the grapheme joiner, the empty Braille cell.
BLANK_CHARACTERS = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")
UNSEEN = re.compile("[\\s\u00ad\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff]")
# Letters of other alphabets, lower case, beside the Latin ones they are drawn as in either case.
_LOOKALIKES = {
    "а": "a", "в": "b", "с": "c", "ԁ": "d", "е": "e", "һ": "h", "н": "h", "і": "i", "ј": "j", "к": "k", "ӏ": "l",
    "м": "m", "о": "o", "р": "p", "ԛ": "q", "ѕ": "s", "т": "t", "ѵ": "v", "ԝ": "w", "х": "x", "у": "y",
    "α": "a", "β": "b", "ε": "e", "η": "h", "ι": "i", "κ": "k", "μ": "m", "ν": "v", "ο": "o", "ρ": "p", "τ": "t",
    "υ": "y", "χ": "x", "ζ": "z", "ı": "i",
}  # fmt: skip
_TO_LATIN = str.maketrans(_LOOKALIKES)


def skeleton(name: str) -> str:
    """Return the same text for names that a reader would take for one another; it is not for display."""
    plain = unicodedata.normalize("NFKC", name).casefold().translate(_TO_LATIN)
    return UNSEEN.sub("", "".join(char for char in plain if char not in BLANK_CHARACTERS))
