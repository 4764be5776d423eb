"""Forms of the profile and of closing the account."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib.auth import authenticate
from django.http import HttpRequest

from lunasite.http import lockout
from submissions.models import Profile
from submissions.text.reserved_names import is_reserved
from submissions.text.sanitize import normalize_display_name, single_line


class ProfileForm(forms.ModelForm):  # type: ignore[type-arg]
    """What other people may read of me."""

    homepage = forms.URLField(max_length=300, required=False, assume_scheme="https")

    class Meta:
        model = Profile
        fields = ["is_public", "display_name", "affiliation", "homepage"]

    def clean_display_name(self) -> str:
        name = normalize_display_name(self.cleaned_data["display_name"])
        if name and is_reserved(name):
            raise forms.ValidationError("This name could be taken for the organisers'; choose another.")
        return name

    def clean_affiliation(self) -> str:
        return single_line(self.cleaned_data["affiliation"])

    def clean_homepage(self) -> str:
        address = str(self.cleaned_data["homepage"])
        if address and not address.startswith(("https://", "http://")):
            raise forms.ValidationError("Give an address that begins with https://.")
        return address


class CloseForm(forms.Form):
    """The password once more: a session that was left open closes no account."""

    password = forms.CharField(
        label="Your password", max_length=4096, strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
    )  # fmt: skip

    def __init__(self, *args: Any, request: HttpRequest, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._request = request

    def clean_password(self) -> str:
        """Check it as a sign-in does, so that wrong ones are counted and the account is locked in the end."""
        user: Any = self._request.user
        found = authenticate(self._request, username=user.get_username(), password=self.cleaned_data["password"])
        if found is None or found.pk != user.pk:
            raise forms.ValidationError("The password is wrong.")
        lockout.reset_attempts_of(self._request, user)
        return str(self.cleaned_data["password"])
