"""The forms of the try-it, feedback and review pages."""
# ruff: noqa: N815  one field is named as in the API

import base64
import binascii
from typing import Any

from django import forms

from inference.api.feedback import NOTE_LENGTH
from inference.api.fields import finite_number
from inference.models import CLASS_CHOICES, Feedback
from inference.networks.answers import LesionWishes
from lunasite.http.lines_field import LinesField

PICTURE_ACCEPT = "image/png,image/jpeg,.png,.jpg,.jpeg"
SCAN_ACCEPT = ".mha,.mhd"
MILLIMETRES = "Enter a decimal number in millimetres, such as -123.4."
DAMAGED = "The picture was damaged on its way; send the file."
INLINE_PICTURE_BYTES = 1_400_000  # in base64 it must fit into DATA_UPLOAD_MAX_MEMORY_SIZE


class UploadFormField(forms.FileField):
    """A file whose content the reader checks, even if it is empty."""

    def __init__(self, accept: str, *, missing: str = "", **kwargs: Any) -> None:
        widget = forms.FileInput(attrs={"accept": accept})
        super().__init__(allow_empty_file=True, widget=widget, error_messages={"required": missing}, **kwargs)


class ChoiceFormField(forms.ChoiceField):
    """One of the choices; `missing` is the message that asks for a choice."""

    def __init__(self, *, missing: str, **kwargs: Any) -> None:
        super().__init__(error_messages={"required": missing, "invalid_choice": missing}, **kwargs)


class NoteField(LinesField):
    """Free text of limited length."""

    default_error_messages = {
        "max_length": "Shorten it to %(limit_value)d characters.",
        "null_characters_not_allowed": "Leave out the null characters.",
    }

    def __init__(self, **kwargs: Any) -> None:
        widget = forms.Textarea(attrs={"rows": 3})
        super().__init__(required=False, max_length=NOTE_LENGTH, widget=widget, **kwargs)


class MillimetreField(forms.CharField):
    """A finite number, parsed as strictly as in the API."""

    widget = forms.TextInput(attrs={"inputmode": "decimal", "autocomplete": "off"})
    default_error_messages = {"required": MILLIMETRES, "null_characters_not_allowed": MILLIMETRES}

    def clean(self, value: Any) -> Any:
        text = super().clean(value)
        number = finite_number(text.replace("\u2212", "-"))
        if number is None:
            raise forms.ValidationError(MILLIMETRES)
        return number


class SliceForm(forms.Form):
    file = UploadFormField(
        PICTURE_ACCEPT, label="CT slice", help_text="PNG or JPEG, at most 20 MB.", missing="Choose the picture."
    )


class LesionForm(forms.Form):
    file = UploadFormField(
        SCAN_ACCEPT,
        label="CT volume",
        help_text="MetaImage: .mha, or .mhd with its data file.",
        missing="Choose the volume, a .mha or .mhd file.",
    )
    rawFile = UploadFormField(".raw,.zraw", label="Data file of the .mhd", required=False)
    x = MillimetreField(label="x (mm)")
    y = MillimetreField(label="y (mm)")
    z = MillimetreField(label="z (mm)")
    recenter = forms.BooleanField(required=False, label="Move to the middle of the lesion")
    allowNonHu = forms.BooleanField(required=False, label="Answer although the voxels are not Hounsfield units")

    @property
    def point_xyz_mm(self) -> tuple[float, float, float]:
        return self.cleaned_data["x"], self.cleaned_data["y"], self.cleaned_data["z"]

    @property
    def wishes(self) -> LesionWishes:
        return LesionWishes(self.cleaned_data["recenter"], self.cleaned_data["allowNonHu"])


class FeedbackForm(forms.Form):
    """A verdict on an answer; the picture is an uploaded file, or the one just shown, in base64."""

    VERDICTS = (("true", "Yes, it is right"), ("false", "No, it is wrong"))

    file = UploadFormField(
        PICTURE_ACCEPT, label="CT slice", help_text="PNG or JPEG, at most 20 MB.", missing="Choose the picture."
    )
    picture = forms.CharField(
        widget=forms.HiddenInput, required=False, max_length=2_000_000, error_messages={"max_length": DAMAGED}
    )
    picture_name = forms.CharField(widget=forms.HiddenInput, required=False)
    predicted_class = ChoiceFormField(
        choices=[("", "choose"), *CLASS_CHOICES], label="The model said", missing="Choose what the model said."
    )
    confidence = forms.FloatField(widget=forms.HiddenInput, required=False, min_value=0, max_value=1)
    is_correct = ChoiceFormField(
        choices=VERDICTS, widget=forms.RadioSelect, label="Is that right?", missing="Choose yes or no."
    )
    correct_class = ChoiceFormField(
        choices=[("", "choose if it is wrong"), *CLASS_CHOICES],
        required=False,
        label="It is",
        missing="Choose what it is.",
    )
    note = NoteField(label="Note")
    # Honeypot: people do not see this field, so only a program that fills in every field sends a value (threat T62).
    honeypot = forms.CharField(required=False, widget=forms.TextInput(attrs={"tabindex": "-1", "autocomplete": "off"}))

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["file"].required = not self["picture"].value()

    @property
    def is_spam(self) -> bool:
        return bool(self["honeypot"].value())

    def clean_picture(self) -> bytes:
        try:
            return base64.b64decode(self.cleaned_data["picture"], validate=True)
        except (binascii.Error, ValueError):
            raise forms.ValidationError(DAMAGED) from None

    def clean(self) -> dict[str, Any]:
        values = super().clean() or {}
        is_wrong, right = values.get("is_correct") == "false", values.get("correct_class")
        if is_wrong and not right:
            self.add_error("correct_class", "Choose what it is.")
        if is_wrong and right and right == values.get("predicted_class"):
            self.add_error("correct_class", "That is what the model said; then its answer is right.")
        return values


class ReviewForm(forms.Form):
    DECISIONS = [(state, state) for state in Feedback.State.values]

    state = ChoiceFormField(choices=DECISIONS, missing="Choose a decision.")
    note = NoteField(label="Review note")


class SecondReadingForm(ReviewForm):
    """A second reader decides; to leave it waiting is no decision."""

    DECISIONS = [(state, state) for state in Feedback.State.values if state != Feedback.State.WAITING]

    state = ChoiceFormField(choices=DECISIONS, missing="Choose a decision.")


class QueueForm(forms.Form):
    """The filter of the review queue; an invalid value is ignored."""

    ANY = ("", "any")

    state = forms.ChoiceField(choices=[*ReviewForm.DECISIONS, ("all", "all")], required=False, label="State")
    label = forms.ChoiceField(choices=[ANY, *CLASS_CHOICES], required=False, label="User says")
    predicted = forms.ChoiceField(choices=[ANY, *CLASS_CHOICES], required=False, label="Model said")
    verdict = forms.ChoiceField(
        choices=[ANY, ("wrong", "model wrong"), ("right", "model right")], required=False, label="Verdict"
    )
    reading = forms.ChoiceField(
        choices=[("", "first"), ("second", "second reading"), ("disputed", "readers differ")],
        required=False,
        label="Reading",
    )
