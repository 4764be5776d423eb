"""Forms of news and of pictures."""

from __future__ import annotations

from django import forms

from submissions.editing.fields import MarkdownField
from submissions.text.sanitize import normalize_display_name


class NewsForm(forms.Form):
    title = forms.CharField(max_length=120)
    body = MarkdownField()

    def clean_title(self) -> str:
        title = normalize_display_name(self.cleaned_data["title"])
        if not title:
            raise forms.ValidationError("Give the post a title that can be read.")
        return title


class PictureForm(forms.Form):
    file = forms.FileField(
        label="Picture", help_text="PNG or JPEG, at most 2 MB and 4096 × 4096 pixels; larger than 1600 is made smaller."
    )
    is_logo = forms.BooleanField(label="Use it as the challenge's logo", required=False)
