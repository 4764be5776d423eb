"""Text from outside, for a sentence on a page or in a terminal."""

from __future__ import annotations


def printable(text: str, kept: str = "") -> str:
    """Return the text without what a terminal or page would interpret: each such character is replaced by one sign.

    A file's name that is not UTF-8 has halves of surrogate pairs, which are replaced too. kept: such as line ends.
    """
    return "".join(char if char in kept or char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)
