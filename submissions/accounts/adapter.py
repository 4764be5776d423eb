"""Adapt django-allauth to this site."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from allauth.account.adapter import DefaultAccountAdapter
from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.mail import EmailMessage
from django.http import HttpRequest
from django.urls import reverse

from lunasite.http import lockout
from lunasite.http.client_address import client_network
from submissions.accounts.usernames import check_username
from submissions.mail import SITE_NAME, queue_mail

LOCAL_HOSTS = ("localhost", "127.0.0.1", "::1")  # hosts on which any port is accepted


class AccountAdapter(DefaultAccountAdapter):
    """Sign-up, sign-in and mail as lunasite needs them."""

    def pre_authenticate(self, request: HttpRequest, **credentials: Any) -> None:
        """Do nothing: login_limit counts failed logins exactly; allauth's own counter is left to second factors."""

    def authenticate(self, request: HttpRequest, **credentials: Any) -> Any:
        user = super().authenticate(request, **credentials)
        if user is not None:
            lockout.reset_attempts_of(request, user)
        return user

    def clean_username(self, username: str, shallow: bool = False) -> str:
        if "@" in username:
            raise ValidationError("A user name has no @ in it; the e-mail address has its own field.")
        if not shallow:
            check_username(username)
        return str(super().clean_username(username, shallow))

    def get_client_ip(self, request: HttpRequest) -> str:
        return client_network(request)

    def get_password_change_redirect_url(self, request: HttpRequest) -> str:
        return reverse("account")

    def send_mail(self, template_prefix: str, email: str, context: dict[str, Any]) -> None:
        """Queue a mail; a mail server that is down or slow never holds up the page (F21)."""
        # allauth's templates name the site by this; there is no sites framework that would fill it in.
        site = {"name": SITE_NAME, "domain": urlsplit(settings.SITE_URL).netloc}
        everything = {"email": email, "request": self.request, "current_site": site, **context}
        message = self.render_mail(template_prefix, email, everything)
        body = with_own_address(message.body, self.request)
        queue_mail(EmailMessage(message.subject, body, message.from_email, message.to))


def with_own_address(text: str, request: HttpRequest | None) -> str:
    """Return a mail whose links use SITE_URL, whatever host name and port the request used."""
    if request is None or settings.SITE_HOST in LOCAL_HOSTS:
        return text
    return text.replace(request.build_absolute_uri("/"), f"{settings.SITE_URL}/")
