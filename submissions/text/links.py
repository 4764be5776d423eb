"""Links that participants give: to code, to a paper. Boards show them to everybody, so only plain web pages pass."""

from __future__ import annotations

from urllib.parse import urlsplit

from django.core.exceptions import ValidationError
from django.core.validators import URLValidator

MAX_LINK_LENGTH = 300
_is_web_address = URLValidator(schemes=["http", "https"], message="Give the address of a web page, https://…")


def validate_link(text: str) -> None:
    """Raise ValidationError unless `text` is an http(s) address without a user name or password in it."""
    _is_web_address(text)
    if "@" in urlsplit(text).netloc:
        raise ValidationError("Leave the user name and password out of the address; everybody can read it.")
