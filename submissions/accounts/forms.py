"""Forms for sign-in, sign-up and the account page."""

from typing import Any

from allauth.account.forms import AddEmailForm, LoginForm, ResetPasswordForm, SignupForm
from django import forms
from django.contrib import messages
from django.db import IntegrityError, transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.html import format_html

from submissions.accounts.usernames import TAKEN, owns_its_name
from submissions.editing.site_pages import accept_terms, site_page_of
from submissions.models import SitePage


def relabel(form: forms.Form, labels: dict[str, str]) -> None:
    """Set our own labels on the fields; a visible label needs no placeholder inside the field."""
    for name, field in form.fields.items():
        field.label = labels.get(name, field.label)
        field.widget.attrs.pop("placeholder", None)


def terms_field() -> forms.BooleanField:
    """Return the consent to the terms as they read now; which version that was is stored with the account."""
    terms, privacy = (reverse("site_page", kwargs={"name": name}) for name in ("terms", "privacy"))
    text = 'Read the <a href="{}" target="_blank">terms of use</a> and about <a href="{}" target="_blank">privacy</a>.'
    return forms.BooleanField(label="I accept the terms of use", help_text=format_html(text, terms, privacy))


class SignInForm(LoginForm):  # type: ignore[misc]
    """Sign in (ACCOUNT_FORMS["login"])."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        relabel(self, {"login": "User name or e-mail address", "remember": "Stay signed in on this device"})


class SignUpForm(SignupForm):  # type: ignore[misc]
    """Sign up (ACCOUNT_FORMS["signup"])."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        words = {"username": "User name", "email": "E-mail address", "password2": "Password again"}
        relabel(self, words)
        if site_page_of(SitePage.Name.TERMS).body.strip():
            self.fields["terms"] = terms_field()
        self.fields["password1"].help_text = "At least 10 characters; not a common one, not your name, not only digits."

    def try_save(self, request: HttpRequest) -> tuple[Any, HttpResponse | None]:
        """Save the account; if somebody else has just registered a confusable name, return to the form."""
        try:
            with transaction.atomic():
                user, response = super().try_save(request)
                if user is not None and not owns_its_name(user):
                    raise IntegrityError(TAKEN)
        except IntegrityError:
            messages.error(request, TAKEN)
            return None, HttpResponseRedirect(request.get_full_path())
        if user is not None and "terms" in self.fields:
            accept_terms(user)
        return user, response


class NewAddressForm(AddEmailForm):  # type: ignore[misc]
    """Another e-mail address (ACCOUNT_FORMS["add_email"])."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        relabel(self, {"email": "New e-mail address"})


class ForgottenPasswordForm(ResetPasswordForm):  # type: ignore[misc]
    """Ask for a link to a new password (ACCOUNT_FORMS["reset_password"])."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        relabel(self, {"email": "E-mail address"})


class TokenForm(forms.Form):
    """Create an API token."""

    LIFETIMES = ((7, "a week"), (30, "a month"), (90, "three months"), (365, "a year"))

    name = forms.CharField(
        max_length=80,
        help_text="Where it is used, such as 'laptop' or 'training cluster': so you know which one to revoke.",
    )
    days = forms.TypedChoiceField(label="Valid for", choices=LIFETIMES, coerce=int, initial=90)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["name"].widget.attrs["autocomplete"] = "off"
