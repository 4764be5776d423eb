"""The forms of the try-it, feedback and review pages."""
# ruff: noqa: N815  one field is named as in the API

import base64
import binascii
from typing import Any

from django import forms

from inference.api_feedback import NOTE_LENGTH
from inference.api_fields import finite_number
from inference.models import CLASS_CHOICES, Feedback

PICTURE_ACCEPT = "image/png,image/jpeg,.png,.jpg,.jpeg"
SCAN_ACCEPT = ".mha,.mhd"
INLINE_PICTURE_BYTES = 1_400_000  # in base64 it must fit into DATA_UPLOAD_MAX_MEMORY_SIZE


class UploadField(forms.FileField):
    """A file whose content the reader judges; an empty one included."""

    def __init__(self, accept: str, **kwargs: Any) -> None:
        widget = forms.FileInput(attrs={"accept": accept})
        super().__init__(allow_empty_file=True, widget=widget, **kwargs)


class MillimetreField(forms.CharField):
    """A finite number, read as strictly as the API does."""

    widget = forms.TextInput(attrs={"inputmode": "decimal", "autocomplete": "off"})

    def clean(self, value: Any) -> Any:
        text = super().clean(value)
        number = finite_number(text.replace("\u2212", "-"))
        if number is None:
            raise forms.ValidationError("Enter a decimal number in millimetres, such as -123.4.")
        return number


class SliceForm(forms.Form):
    file = UploadField(PICTURE_ACCEPT, label="CT slice", help_text="PNG or JPEG, at most 20 MB.")


class LesionForm(forms.Form):
    file = UploadField(SCAN_ACCEPT, label="CT volume", help_text="MetaImage: .mha, or .mhd with its data file.")
    rawFile = UploadField(".raw,.zraw", label="Data file of the .mhd", required=False)
    x = MillimetreField(label="x (mm)")
    y = MillimetreField(label="y (mm)")
    z = MillimetreField(label="z (mm)")

    @property
    def point_xyz_mm(self) -> tuple[float, float, float]:
        return self.cleaned_data["x"], self.cleaned_data["y"], self.cleaned_data["z"]


class FeedbackForm(forms.Form):
    """A verdict on an answer; the picture is a file, or the one just shown, in base64."""

    VERDICTS = (("true", "Yes, it is right"), ("false", "No, it is wrong"))

    file = UploadField(
        PICTURE_ACCEPT,
        label="CT slice",
        help_text="PNG or JPEG, at most 20 MB.",
        error_messages={"required": "Choose the picture."},
    )
    picture = forms.CharField(widget=forms.HiddenInput, required=False, max_length=2_000_000)
    picture_name = forms.CharField(widget=forms.HiddenInput, required=False, max_length=200)
    predicted_class = forms.ChoiceField(choices=[("", "choose"), *CLASS_CHOICES], label="The model said")
    confidence = forms.FloatField(widget=forms.HiddenInput, required=False, min_value=0, max_value=1)
    is_correct = forms.ChoiceField(choices=VERDICTS, widget=forms.RadioSelect, label="Is that right?")
    correct_class = forms.ChoiceField(
        choices=[("", "choose if it is wrong"), *CLASS_CHOICES], required=False, label="It is"
    )
    note = forms.CharField(
        widget=forms.Textarea(attrs={"rows": 3}), required=False, max_length=NOTE_LENGTH, label="Note"
    )
    # Nobody sees it, so whoever fills it in is a program that fills in everything (hostile-inputs T62).
    website = forms.CharField(required=False, widget=forms.TextInput(attrs={"tabindex": "-1", "autocomplete": "off"}))

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["file"].required = not self["picture"].value()

    @property
    def is_spam(self) -> bool:
        return bool(self["website"].value())

    def clean_picture(self) -> bytes:
        try:
            return base64.b64decode(self.cleaned_data["picture"], validate=True)
        except (binascii.Error, ValueError):
            raise forms.ValidationError("The picture was damaged on its way; send the file.") from None

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

    state = forms.ChoiceField(choices=DECISIONS)
    note = forms.CharField(
        widget=forms.Textarea(attrs={"rows": 3}), required=False, max_length=NOTE_LENGTH, label="Review note"
    )


class QueueForm(forms.Form):
    """Which feedback to look at; what cannot be read is no filter."""

    ANY = ("", "any")

    state = forms.ChoiceField(choices=[*ReviewForm.DECISIONS, ("all", "all")], required=False, label="State")
    label = forms.ChoiceField(choices=[ANY, *CLASS_CHOICES], required=False, label="User says")
    predicted = forms.ChoiceField(choices=[ANY, *CLASS_CHOICES], required=False, label="Model said")
    verdict = forms.ChoiceField(
        choices=[ANY, ("wrong", "model wrong"), ("right", "model right")], required=False, label="Verdict"
    )
