"""The form for submitting a CSV."""

from __future__ import annotations

from typing import Any

from django import forms
from django.conf import settings

from lunasite.http.files.sizes import size_in_words
from lunasite.http.lines_field import LinesField
from submissions.text.idempotency import MAX_KEY_LENGTH, new_key
from submissions.text.sanitize import single_line
from submissions.web.method_form import MethodForm


class CsvForm(MethodForm):
    """A CSV of predictions; `idempotency_key` makes a double click send once."""

    file = forms.FileField(
        label="Predictions (CSV)", allow_empty_file=True, max_length=255,
        widget=forms.ClearableFileInput(attrs={"accept": ".csv,text/csv"}),
        help_text=f"UTF-8, comma-separated, with a header; at most {size_in_words(settings.MAX_CSV_BYTES)}.",
    )  # fmt: skip
    title = forms.CharField(max_length=120, required=False, help_text="To tell it from your others.")
    comment = LinesField(max_length=2000, required=False, widget=forms.Textarea(attrs={"rows": 2}))
    idempotency_key = forms.CharField(
        max_length=MAX_KEY_LENGTH, required=False, widget=forms.HiddenInput, initial=new_key
    )
    kept = forms.UUIDField(required=False, widget=forms.HiddenInput)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Once the site has kept the file while it asked something, the form needs none."""
        super().__init__(*args, **kwargs)
        if self.data.get("kept"):
            self.fields["file"].required = False

    def clean_title(self) -> str:
        return single_line(self.cleaned_data["title"])

    def to_submit(self) -> dict[str, Any]:
        return {name: value for name, value in self.cleaned_data.items() if name != "kept"}
