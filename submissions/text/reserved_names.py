"""Names that could be taken for the site or its staff: refused as user names and as team names."""

from __future__ import annotations

import re

from submissions.text.confusables import skeleton

RESERVED = {
    "admin", "administrator", "lunasite", "moderator", "official", "operator", "organiser", "organizer", "reviewer",
    "root", "staff", "support", "system", "webmaster",
}  # fmt: skip
FILLERS = {"the", "team", "group", "site", "account", "lunasite"}
_RESERVED = {skeleton(name + ending) for name in RESERVED for ending in ("", "s")}
_FILLERS = {skeleton(word) for word in FILLERS}


def is_reserved(name: str) -> bool:
    """Return whether a reader could take the name for the organisers'.

    That is a reserved word in any disguise of UTS #39 (`Admln`), or nothing but reserved words, fillers and numbers
    (`The Organisers`, `admin-2`); `Radiology staff of Ulm` is a name like any other.
    """
    if skeleton(name) in _RESERVED:
        return True
    words = [skeleton(word) for word in re.split(r"[\W_]+", name) if not word.isdigit()]
    meaning = [word for word in words if word and word not in _FILLERS]
    return bool(words) and all(word in _RESERVED for word in meaning) and any(word in _RESERVED for word in words)
