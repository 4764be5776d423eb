"""The team's registry credentials: enter, replace, delete. A password is never shown again."""

from __future__ import annotations

from typing import Any

from django import forms
from django.conf import settings

from submissions.models import RegistryCredential, Team


class RegistryForm(forms.Form):
    """User name and password for one of the registries that the site allows."""

    host = forms.ChoiceField(label="Registry")
    username = forms.CharField(
        label="User name", max_length=255, widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"})
    )
    password = forms.CharField(
        label="Password or access token", max_length=4000, strip=False,
        help_text="One that may only read is enough. It is stored encrypted and never shown again.",
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )  # fmt: skip

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        host: Any = self.fields["host"]
        host.choices = [(name, name) for name in settings.IMAGE_REGISTRIES]


def registries_context(team: Team | None, form: RegistryForm | None = None) -> dict[str, Any]:
    """Return the registries part of the team page's context; empty if the site allows no registries."""
    if team is None or not settings.IMAGE_REGISTRIES:
        return {}
    return {"registry_form": form or RegistryForm(), "credentials": team.registry_credentials.all()}


def save_credential(team: Team, *, host: str, username: str, password: str) -> RegistryCredential:
    """Store or replace the team's credentials for a registry."""
    credential = RegistryCredential.objects.filter(team=team, host=host).first() or RegistryCredential(
        team=team, host=host
    )
    credential.username = username
    credential.set_password(password)
    credential.save()
    return credential
