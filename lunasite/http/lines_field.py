"""The form field of a text of several lines."""

from __future__ import annotations

from django import forms


class LinesField(forms.CharField):
    """A text of several lines. A browser counts a line's end as one character towards `maxlength`, and sends two."""

    def to_python(self, value: object) -> str:
        """Unify the ends of lines; the limit is checked afterwards."""
        text = super().to_python(value) or ""
        return text.replace("\r\n", "\n").replace("\r", "\n")
