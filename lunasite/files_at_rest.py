"""Files at rest: what the service writes, only the service can read.

The umask of every process of the site is 077, and DATA_DIR is 0700: the database, the mails with their links and the
pictures of feedback lie below it. Folders that another user must enter (static files, cases of a container) get
their modes explicitly where they are made.
"""

import os
import secrets
import stat
from pathlib import Path

import structlog

log = structlog.get_logger(__name__)
PRIVATE_UMASK = 0o077
PRIVATE_FOLDER = 0o700
OTHERS = stat.S_IRWXG | stat.S_IRWXO
# Files that hold personal data or a secret; folders below DATA_DIR are shut off by DATA_DIR's own mode.
WATCHED = ("lunasite.sqlite3", "secret_key", "record_signing_key", "mail", "feedback", "files", "drift")


def make_private(folder: Path) -> None:
    """Set the process's umask, and make the folder, which nobody else may enter, if there is none."""
    os.umask(PRIVATE_UMASK)
    folder.mkdir(parents=True, exist_ok=True, mode=PRIVATE_FOLDER)


def kept_secret(path: Path, n_bytes: int) -> str:
    """Return the random text of a file, which the first start creates."""
    try:
        with open(path, "x", opener=private) as new:
            new.write(secrets.token_urlsafe(n_bytes))
    except FileExistsError:
        pass
    return path.read_text().strip()


def private(path: str, flags: int) -> int:
    """Open a file that only its owner can read."""
    return os.open(path, flags, 0o600)


def wider_rights(data_dir: Path) -> list[str]:
    """Return DATA_DIR, or the names below it, that other users may read; empty where the folder shuts them out."""
    if not may_others_use(data_dir):
        return []
    return ["DATA_DIR", *(name for name in WATCHED if may_others_use(data_dir / name))]


def may_others_use(path: Path) -> bool:
    """Return whether a mode lets others in; the group of a set-group-id folder is the service's own (Kubernetes)."""
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return False
    return bool(mode & (stat.S_IRWXO if mode & stat.S_ISGID else OTHERS))


def remedy(found: list[str], data_dir: Path) -> str:
    """Return the sentence that names what others may read and the command that ends it."""
    return f"Other users of this machine may read {', '.join(found)}; run: chmod -R go-rwx {data_dir}"


def tell_wider_rights(data_dir: Path) -> None:
    """Log what other users may read; a process of the site calls it at its start."""
    if found := wider_rights(data_dir):
        log.warning("files at rest", found=found, remedy=remedy(found, data_dir))
