"""The organisers' form for a data file."""

from __future__ import annotations

from typing import Any

from django import forms

from submissions.models import DataFile


class DataFileForm(forms.ModelForm):  # type: ignore[type-arg]
    file = forms.FileField(help_text="Any format; it is stored as it is. A zip travels better than many files.")

    licence_url = forms.URLField(label="Address of the licence", required=False, assume_scheme="https")

    class Meta:
        model = DataFile
        fields = ["file", "version", "audience", "description", "licence", "licence_url", "citation"]
        widgets = {"citation": forms.Textarea({"rows": 3})}

    def described(self) -> dict[str, Any]:
        """Return what the form says about its file."""
        return {name: value for name, value in self.cleaned_data.items() if name != "file"}
