"""Sanitise names and titles from outside for storage and display: no invisible text, no direction overrides."""

from __future__ import annotations

from submissions.text.confusables import BLANK_CHARACTERS

MAX_FILE_NAME_LENGTH = 255
EMOJI_JOINER = "\u200d"


def single_line(text: str) -> str:
    """Return `text` trimmed, as one line without control characters or direction overrides."""
    return "".join(char for char in " ".join(text.split()) if char.isprintable())


def sanitize_filename(text: str) -> str:
    """Return the name that a user gave a file: its printable characters, at most 255, never empty."""
    return "".join(char for char in text if char.isprintable())[:MAX_FILE_NAME_LENGTH] or "unnamed"


def normalize_display_name(text: str) -> str:
    """Return a name as boards may show it: one visible line, or "".

    The joiner inside emoji is the only invisible character that stays.
    """
    line = "".join(char for char in text if char not in BLANK_CHARACTERS)
    visible = "".join(char for char in " ".join(line.split()) if char.isprintable() or char == EMOJI_JOINER)
    return "" if visible.strip(f" {EMOJI_JOINER}") == "" else visible
