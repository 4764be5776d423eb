"""The organisers' form for a data file."""

from __future__ import annotations

from typing import Any

from django import forms

from lunasite.http.lines_field import LinesField
from submissions.models import DataFile, Upload


class DataFileForm(forms.ModelForm):  # type: ignore[type-arg]
    """What the page says about a file. Its bytes come as `upload`, sent before in parts, or with the form itself."""

    upload = forms.UUIDField(required=False, widget=forms.HiddenInput())
    licence_url = forms.URLField(label="Address of the licence", required=False, assume_scheme="https")

    class Meta:
        model = DataFile
        fields = ["version", "audience", "description", "licence", "licence_url", "citation"]
        field_classes = {"citation": LinesField}
        widgets = {"citation": forms.Textarea({"rows": 3})}

    def described(self) -> dict[str, Any]:
        """Return what the form says about its file."""
        return {name: value for name, value in self.cleaned_data.items() if name != "upload"}

    def arrived(self, user: Any) -> Upload | None:
        """Return the upload that the form names, if it is the user's, complete and a data file."""
        wanted = self["upload"].value()
        try:
            mine = Upload.objects.visible_to(user).filter(purpose=Upload.Purpose.DATA, is_complete=True)
            return mine.filter(pk=wanted).first() if wanted else None
        except forms.ValidationError:
            return None
