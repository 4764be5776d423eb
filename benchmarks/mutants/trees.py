"""Copies of the working tree, one for each run at a time, so that a change touches nobody's files."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

DAY_S = 86_400


def files_of(root: Path) -> list[str]:
    """Return what git knows of, and what is new and not ignored."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=root, capture_output=True, check=True).stdout.decode().split("\0")
    return [path for path in listed if path and (root / path).is_file() and not (root / path).is_symlink()]


class Tree:
    """A copy that holds at most one change. Python's byte code is told apart by a time of its own for each change."""

    def __init__(self, root: Path, copy: Path) -> None:
        self.copy, self.changes = copy, 0
        for path in files_of(root):
            (copy / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(root / path, copy / path)

    def change(self, path: str, source: str) -> None:
        """Write a changed source; `restore` takes it back."""
        file = self.copy / path
        self.path, self.before, self.at = file, file.read_text(), file.stat().st_mtime
        file.write_text(source)
        self.changes += 1
        os.utime(file, times=(self.at, self.at + DAY_S + 2 * self.changes))

    def restore(self) -> None:
        self.path.write_text(self.before)
        os.utime(self.path, times=(self.at, self.at))
