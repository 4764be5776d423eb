"""Whom a container runs as: the image's USER, resolved by its own account files, which are read as data."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from submissions.runner.values import NOBODY

MAX_ID = 2**31 - 1
ROOT_HOME = "/root"
MAX_GROUPS = 32


@dataclass(frozen=True)
class Identity:
    """User and group a container runs as, in numbers.

    home: what HOME says, unless the image sets it. owns_as_root: the image was built for root, which it does not get:
    what root owns in its writable folders is handed to this user.
    """

    user: str = NOBODY
    groups: tuple[int, ...] = ()
    home: str = ROOT_HOME
    owns_as_root: bool = True

    @property
    def uid(self) -> int:
        return int(self.user.partition(":")[0])

    @property
    def gid(self) -> int:
        return int(self.user.partition(":")[2])


@dataclass(frozen=True)
class Account:
    """A line of /etc/passwd."""

    name: str
    uid: int
    gid: int
    home: str


@dataclass(frozen=True)
class Group:
    """A line of /etc/group."""

    name: str
    gid: int
    members: tuple[str, ...]


IN_PLACE_OF_ROOT = Identity()
# Only where the engine maps it to a user of the host without rights.
MAPPED_ROOT = Identity("0:0", (), ROOT_HOME, owns_as_root=False)


def identity_of(user: str, passwd: str, group: str, *, may_be_root: bool = False) -> Identity:
    """Return whom an image with this USER runs as.

    user: name, uid, uid:gid or name:group, as the image's config has it; "" is root. passwd, group: its account files.
    A USER that cannot be resolved, or is root in any spelling, is replaced unless `may_be_root`.
    """
    accounts, groups = list(read_passwd(passwd)), list(read_group(group))
    wanted_user, _, wanted_group = user.strip().partition(":")
    account = _account(wanted_user, accounts)
    gid = _group_id(wanted_group, groups) if wanted_group else account.gid if account else None
    if account is None or gid is None or account.uid == 0:
        is_root = account is not None or not wanted_user
        return MAPPED_ROOT if may_be_root and is_root else IN_PLACE_OF_ROOT
    extra = () if wanted_group else _supplementary(account, groups)
    return Identity(f"{account.uid}:{gid}", extra, account.home or "/", owns_as_root=False)


def read_passwd(text: str) -> Iterator[Account]:
    """Yield the well-formed lines of an /etc/passwd."""
    for parts in _lines(text, fields=7):
        uid, gid = _number(parts[2]), _number(parts[3])
        if uid is not None and gid is not None:
            yield Account(parts[0], uid, gid, parts[5] if parts[5].startswith("/") else "/")


def read_group(text: str) -> Iterator[Group]:
    """Yield the well-formed lines of an /etc/group."""
    for parts in _lines(text, fields=4):
        gid = _number(parts[2])
        if gid is not None:
            yield Group(parts[0], gid, tuple(filter(None, parts[3].split(","))))


def _lines(text: str, *, fields: int) -> Iterator[list[str]]:
    for line in text.splitlines():
        parts = line.strip().split(":")
        if len(parts) == fields and parts[0] and not line.startswith("#"):
            yield parts


def _account(wanted: str, accounts: list[Account]) -> Account | None:
    """Return the account of a name or number; a number without a line has group 0 and HOME=/, as engines do it."""
    by_name = next((account for account in accounts if account.name == wanted), None)
    if by_name or not wanted:
        return by_name
    uid = _number(wanted)
    if uid is None:
        return None
    return next((account for account in accounts if account.uid == uid), Account("", uid, 0, "/"))


def _group_id(wanted: str, groups: list[Group]) -> int | None:
    by_name = next((group.gid for group in groups if group.name == wanted), None)
    return by_name if by_name is not None else _number(wanted)


def _supplementary(account: Account, groups: list[Group]) -> tuple[int, ...]:
    found = {group.gid for group in groups if account.name and account.name in group.members}
    return tuple(sorted(found - {account.gid}))[:MAX_GROUPS]


def _number(text: str) -> int | None:
    if not (text.isascii() and text.isdigit() and len(text) <= 10):
        return None
    return int(text) if int(text) <= MAX_ID else None
