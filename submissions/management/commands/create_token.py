"""Make an API token for a user and print it once."""

from __future__ import annotations

from typing import Any

from django.contrib.auth import get_user_model
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser

from submissions.accounts.tokens import create_token
from submissions.models import ApiToken


class Command(BaseCommand):
    help = "Print a new API token of a user."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("username")
        parser.add_argument("--create", action="store_true", help="make the user, without a password, if there is none")
        parser.add_argument("--name", default="made by create_token")

    def handle(self, *args: Any, **options: Any) -> None:
        users = get_user_model().objects
        user = users.filter(username=options["username"]).first()
        if user is None and not options["create"]:
            raise CommandError(f"There is no user '{options['username']}'; add --create to make one.")
        try:
            user = user or new_user(options["username"])
            name = ApiToken._meta.get_field("name").clean(options["name"], None)
        except ValidationError as error:
            raise CommandError(f"No token was made: {' '.join(error.messages)}") from error
        self.stdout.write(create_token(user=user, name=name)[1])


def new_user(username: str) -> Any:
    """Return a new user without a password. Raises ValidationError for an invalid user name."""
    users = get_user_model()
    return users.objects.create_user(users._meta.get_field("username").clean(username, None))
