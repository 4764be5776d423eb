"""What a participant fills in."""

from __future__ import annotations

import uuid
from hashlib import sha256
from typing import Any

from django import forms

from submissions.text.sanitize import one_line

LONGEST_KEY = 80


def new_key() -> str:
    return uuid.uuid4().hex


def given_key(text: str) -> str:
    """Return a client's idempotency key as it is stored; a long one's digest, for its end may be all that differs."""
    return text if len(text) <= LONGEST_KEY else sha256(text.encode()).hexdigest()


class CsvForm(forms.Form):
    """A CSV of predictions; `idempotency_key` makes a double click send once."""

    file = forms.FileField(
        label="Predictions (CSV)", allow_empty_file=True, max_length=255,
        widget=forms.ClearableFileInput(attrs={"accept": ".csv,text/csv"}),
        help_text="UTF-8, comma-separated, with a header; at most 10 MB.",
    )  # fmt: skip
    title = forms.CharField(max_length=120, required=False, help_text="To tell it from your others.")
    model_version = forms.CharField(max_length=60, required=False, help_text="To compare versions later.")
    comment = forms.CharField(max_length=2000, required=False, widget=forms.Textarea(attrs={"rows": 2}))
    idempotency_key = forms.CharField(max_length=LONGEST_KEY, required=False, widget=forms.HiddenInput, initial=new_key)

    def clean_title(self) -> str:
        return one_line(self.cleaned_data["title"])

    def clean_model_version(self) -> str:
        return one_line(self.cleaned_data["model_version"])

    def to_submit(self) -> dict[str, Any]:
        return dict(self.cleaned_data)
