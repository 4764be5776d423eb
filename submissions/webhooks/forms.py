"""The form of a webhook."""

from __future__ import annotations

from typing import Any

from django import forms
from django.conf import settings

from submissions.models.messages import Kind
from submissions.webhooks.connection import NotAllowed, checked_url


class WebhookForm(forms.Form):
    """A new webhook: where to, for whom, and of what."""

    url = forms.CharField(
        label="Address", max_length=500, help_text="It gets a signed POST with JSON.",
        widget=forms.URLInput(attrs={"placeholder": "https://example.org/hooks/lunasite", "autocomplete": "off"}),
    )  # fmt: skip
    owner = forms.ChoiceField(label="Whose", choices=[("me", "mine")])
    kinds = forms.MultipleChoiceField(
        label="Tell it when", choices=Kind.choices, initial=Kind.values,
        widget=forms.CheckboxSelectMultiple(attrs={"class": "lines"}),
    )  # fmt: skip

    def __init__(self, *args: Any, team_name: str = "", **kwargs: Any) -> None:
        """team_name: of the team that the person owns, "" without one."""
        super().__init__(*args, **kwargs)
        owner: Any = self.fields["owner"]
        owner.choices = [("me", "only mine"), *([("team", f"the team {team_name}")] if team_name else [])]

    def clean_url(self) -> str:
        """Check how it is written; where it leads is checked at each delivery, for a name's address can change."""
        url = str(self.cleaned_data["url"]).strip()
        try:
            checked_url(url, settings.WEBHOOK_PRIVATE_HOSTS)
        except NotAllowed as error:
            raise forms.ValidationError(str(error)) from error
        return url
