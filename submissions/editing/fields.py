"""The form field of a text in Markdown."""

from __future__ import annotations

from django import forms

from lunasite.http.lines_field import LinesField
from submissions.models.challenges.texts import MAX_TEXT

TEXT_AREA = {"rows": 18, "class": "mono", "spellcheck": "true"}
HOW = "Markdown: <code># heading</code>, <code>**bold**</code>, <code>[link](https://…)</code>, lists, tables. No HTML."


class MarkdownField(LinesField):
    """A text in Markdown. Line ends are unified; characters that no feed may carry are dropped."""

    def __init__(self, *, label: str = "Text", required: bool = True) -> None:
        super().__init__(
            label=label, required=required, max_length=MAX_TEXT, strip=False, help_text=HOW,
            widget=forms.Textarea(attrs=TEXT_AREA),
        )  # fmt: skip

    def to_python(self, value: object) -> str:
        text = super().to_python(value)
        return "".join(char for char in text if char.isprintable() or char in "\n\t").strip("\n")


class TextForm(forms.Form):
    """base: the digest of the text that the writer began with."""

    body = MarkdownField(required=False)
    base = forms.CharField(widget=forms.HiddenInput, required=False, max_length=64)
