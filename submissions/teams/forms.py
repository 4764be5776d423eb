"""Forms of the team page."""

from django import forms


class TeamForm(forms.Form):
    """Create a team."""

    name = forms.CharField(label="Name of the team", max_length=80, help_text="The leaderboard shows it.")


class JoinForm(forms.Form):
    """Join a team by the code that a member passed on."""

    code = forms.CharField(
        label="Code of the team",
        max_length=24,
        help_text="A member finds it on the team page.",
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )


class InviteForm(forms.Form):
    """Invite somebody by mail."""

    email = forms.EmailField(
        label="E-mail address", max_length=254, help_text="A link goes there that is good once, for a week."
    )
