"""The method behind an entry: the model's name and version, and where its code and paper are."""

from __future__ import annotations

from typing import Any

from django import forms

from submissions.text.links import MAX_LINK_LENGTH, validate_link
from submissions.text.sanitize import single_line

METHOD_FIELDS = ("model_name", "model_version", "code_url", "paper_url")


class LinkField(forms.URLField):
    """The address of a web page; without a scheme, https."""

    default_validators = [validate_link]

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(assume_scheme="https", required=False, max_length=MAX_LINK_LENGTH, **kwargs)


class MethodForm(forms.Form):
    """What the leaderboard shows of an entry's method. All of it may be empty."""

    model_name = forms.CharField(max_length=80, required=False, help_text="Shown on the leaderboard.")
    model_version = forms.CharField(max_length=60, required=False, help_text="To compare versions later.")
    code_url = LinkField(label="Link to the code", help_text="Shown on the leaderboard.")
    paper_url = LinkField(label="Link to the paper", help_text="Shown on the leaderboard.")

    def clean_model_name(self) -> str:
        return single_line(self.cleaned_data["model_name"])

    def clean_model_version(self) -> str:
        return single_line(self.cleaned_data["model_version"])

    @property
    def has_method(self) -> bool:
        """Whether a field of the method is filled in, or wrong."""
        return any(self[name].value() or name in self.errors for name in METHOD_FIELDS)
