"""The demo's accounts, which exist only in demo mode and never together with real accounts."""

from __future__ import annotations

from dataclasses import dataclass

from allauth.account.models import EmailAddress
from django.conf import settings
from django.contrib.auth.hashers import check_password, make_password
from django.contrib.auth.models import Group, User
from django.utils.crypto import salted_hmac

from submissions.models import Membership, Team

GROUP = "demo accounts"


class DemoRefused(Exception):
    """The demo must not be set up here; the message states why and what to do."""


@dataclass(frozen=True)
class Account:
    username: str
    team: str
    is_admin: bool = False


ACCOUNTS = (
    Account("organiser", "Organisers", is_admin=True),
    Account("ada", "Alveoli"),
    Account("ben", "Alveoli"),
    Account("carla", "Bronchi"),
    Account("dan", "Carina"),
)


def demo_password() -> str:
    """Return the password that all demo accounts share: the same at each start, different on each site."""
    digest = salted_hmac("lunasite.demo", "password", algorithm="sha256").hexdigest()
    return f"demo-{digest[:4]}-{digest[4:8]}-{digest[8:12]}"


def check_demo_may_be_here() -> None:
    """Raise DemoRefused outside demo mode, and on a database where people have accounts."""
    if not settings.DEMO:
        raise DemoRefused("Demo accounts exist in demo mode only: run 'manage.py start --demo'.")
    if User.objects.exists() and not User.objects.filter(groups__name=GROUP).exists():
        raise DemoRefused(
            "This database holds accounts of real people; give the demo a place of its own: DATA_DIR=var/demo."
        )


def open_accounts() -> dict[str, User]:
    """Create or reopen every demo account with its team; return them by user name."""
    group, _ = Group.objects.get_or_create(name=GROUP)
    password = _hashed_password()
    return {account.username: _open(account, group, password) for account in ACCOUNTS}


def _hashed_password() -> str:
    """Return the password's hash; hashing is slow by design, so all accounts share one hash."""
    known = User.objects.filter(groups__name=GROUP).values_list("password", flat=True).first()
    return known if known and check_password(demo_password(), known) else make_password(demo_password())


def _open(account: Account, group: Group, password: str) -> User:
    user, _ = User.objects.get_or_create(
        username=account.username,
        defaults={
            "email": f"{account.username}@demo.invalid",
            "is_staff": account.is_admin,
            "is_superuser": account.is_admin,
        },
    )
    user.is_active = True
    user.password = password
    user.save()
    user.groups.add(group)
    EmailAddress.objects.get_or_create(user=user, email=user.email, defaults={"verified": True, "primary": True})
    _join(user, account.team)
    return user


def _join(user: User, name: str) -> None:
    if Membership.objects.filter(user=user).exists():
        return
    team, is_new = Team.objects.get_or_create(name=name)
    Membership.objects.create(user=user, team=team, is_owner=is_new)


def close_accounts() -> int:
    """Close every demo account when the site starts outside demo mode; return how many were closed.

    Their logins, sessions and tokens no longer work.
    """
    return User.objects.filter(groups__name=GROUP, is_active=True).update(is_active=False)
