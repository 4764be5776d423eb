"""The forms of a challenge."""

from __future__ import annotations

from django import forms

from submissions.models import Challenge

# Words that addresses of the site use where a challenge's slug may stand.
RESERVED = ("new",)


class NewChallengeForm(forms.ModelForm):
    """The first step: a name and an address."""

    class Meta:
        model = Challenge
        fields = ["title", "slug", "tagline"]
        help_texts = {
            "title": "As it stands on the home page.",
            "slug": "Its address on this site: letters, digits and -. It cannot be changed later.",
        }

    def clean_slug(self) -> str:
        slug = str(self.cleaned_data["slug"]).lower()
        if slug in RESERVED or Challenge.objects.filter(slug=slug).exists():
            raise forms.ValidationError(f"The address '{slug}' is taken; choose another.")
        return slug


class ChallengeForm(forms.ModelForm):
    """What an organiser changes of a challenge; its texts are edited one by one, in versions."""

    forum_url = forms.URLField(
        label="Forum", required=False, assume_scheme="https", help_text="Where participants talk, such as https://…."
    )

    class Meta:
        model = Challenge
        fields = ["title", "tagline", "forum_url", "needs_approval"]


class OrganiserForm(forms.Form):
    name = forms.CharField(
        max_length=150, label="User name", widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"})
    )
