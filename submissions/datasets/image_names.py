"""Find an image by its name where a program or file system wrote the same letters differently."""

from __future__ import annotations

import errno
import unicodedata
from pathlib import Path


def stored_name(folder: Path, name: str) -> str:
    """Return the name under which an image lies in a folder, or `name` itself where none does.

    Unicode has two spellings of ü, and macOS may change one into the other in names of files and in archives.
    """
    if name.isascii():
        return name
    spelt = (name, unicodedata.normalize("NFC", name), unicodedata.normalize("NFD", name))
    return next((each for each in spelt if is_there(folder, each)), name)


def is_there(folder: Path, name: str) -> bool:
    """Return whether a folder has a file of this name; none has one whose name is too long."""
    try:
        return (folder / name).is_file()
    except OSError as error:
        if error.errno != errno.ENAMETOOLONG:
            raise
        return False
