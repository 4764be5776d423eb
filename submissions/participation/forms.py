"""Forms of taking part, shown on the phase page."""

from django import forms

from lunasite.http.lines_field import LinesField


class RequestForm(forms.Form):
    """Ask the organisers to take part."""

    sentence = LinesField(
        label="Who you are, and what you want to try",
        max_length=1000,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text="The organisers read it; a sentence is enough.",
    )
