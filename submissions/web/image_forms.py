"""The form for submitting a Docker image: the adapter as plain fields, or as JSON for experts."""

from __future__ import annotations

from typing import Any

from django import forms
from django.conf import settings

from lunasite.http.errors import ApiError
from lunasite.http.lines_field import LinesField
from submissions.models import Phase
from submissions.phases.http_adapter import (
    OPTIONAL_FIELDS,
    checked_adapter,
    checked_endpoint,
    checked_folders,
)
from submissions.registry.reference import MAX_REFERENCE
from submissions.runner.contracts import contract_choices, contracts_for, default_contract
from submissions.runner.described_call import FILE_FIELDS
from submissions.text.idempotency import new_key
from submissions.text.sanitize import single_line
from submissions.web.method_form import METHOD_FIELDS, MethodForm

ADAPTER_FIELDS = ("port", "bearer_token", "file_field", "field_names", "omit", "probability_path")
# Fields of a submission that the form calls by the same names.
KEPT_FIELDS = ("title", *METHOD_FIELDS, "comment", "contract", "model_endpoint")


class ImageForm(MethodForm):
    """All fields except the image itself, which the view streams to storage or finds as a finished `upload`."""

    title = forms.CharField(max_length=120, required=False, help_text="To tell it from your others.")
    comment = LinesField(max_length=2000, required=False, widget=forms.Textarea(attrs={"rows": 2}))
    contract = forms.ChoiceField(choices=contract_choices, initial=default_contract, widget=forms.RadioSelect)
    model_endpoint = forms.CharField(
        label="Path", max_length=201, required=False, help_text="Where it answers, if not at the contract's own path."
    )
    port = forms.IntegerField(
        min_value=1, max_value=65535, required=False, help_text="Empty: 8000, or the only port the image exposes."
    )
    file_field = forms.ChoiceField(
        label="Name of the file part",
        required=False,
        choices=[("", "file"), *((name, name) for name in FILE_FIELDS[1:])],
    )
    field_names = forms.ChoiceField(
        label="Names of the fields", required=False,
        choices=[("", "coordX, lesionID, …"), ("csv", "CoordX, LesionID, … as in LUNA25's table")],
    )  # fmt: skip
    omit = forms.MultipleChoiceField(
        label="Do not send", required=False, choices=[(name, name) for name in OPTIONAL_FIELDS],
        widget=forms.CheckboxSelectMultiple,
    )  # fmt: skip
    probability_path = forms.CharField(
        label="Where the probability is", max_length=520, required=False,
        help_text="Keys joined by dots, such as data.probability or data.2.probability.",
    )  # fmt: skip
    bearer_token = forms.CharField(
        max_length=512, required=False, help_text="If your service wants one.",
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )  # fmt: skip
    adapter = forms.CharField(
        label="The adapter as JSON", max_length=4096, required=False,
        widget=forms.Textarea(attrs={"rows": 3, "class": "mono", "spellcheck": "false"}),
        help_text='For experts: {"port": 9000}. The fields above win.',
    )  # fmt: skip
    image_reference = forms.CharField(
        label="Or an image in a registry", max_length=MAX_REFERENCE, required=False,
        widget=forms.TextInput(attrs={"class": "mono", "spellcheck": "false", "placeholder": "host/name@sha256:…"}),
    )  # fmt: skip
    writable_folders = forms.CharField(
        max_length=1700, required=False,
        widget=forms.Textarea(attrs={"rows": 2, "class": "mono", "spellcheck": "false"}),
        help_text="Up to 8 paths, one a line: what your program writes to besides its own user's folders and /tmp.",
    )  # fmt: skip
    image = forms.UUIDField(
        label="Or an image you sent before", required=False, help_text="The id of that submission of your team."
    )
    model_archive = forms.UUIDField(
        label="Or a model archive you sent before", required=False,
        help_text="Its id: the page of the submission that it came with shows it.",
    )  # fmt: skip
    upload = forms.UUIDField(required=False, widget=forms.HiddenInput)
    idempotency_key = forms.CharField(max_length=80, required=False, widget=forms.HiddenInput, initial=new_key)

    def __init__(self, *args: Any, phase: Phase, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        contract: Any = self.fields["contract"]
        registries = ", ".join(settings.IMAGE_REGISTRIES)
        reference = self.fields["image_reference"]
        reference.help_text = f"By its digest, from {registries}; it is pulled when its turn comes."
        contract.choices = [(served.name, served.label) for served in contracts_for(phase.kind)]

    def clean_title(self) -> str:
        return single_line(self.cleaned_data["title"])

    def clean_model_endpoint(self) -> str:
        try:
            return checked_endpoint(self.cleaned_data["model_endpoint"])
        except ApiError as refusal:
            raise forms.ValidationError(refusal.message) from refusal

    def clean_writable_folders(self) -> list[str]:
        try:
            return checked_folders(self.cleaned_data["writable_folders"])
        except ApiError as refusal:
            raise forms.ValidationError(refusal.message) from refusal

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        if cleaned.get("upload") and cleaned.get("image_reference"):
            self.add_error("image_reference", "Empty this to send the file that is here, or do not use that file.")
        try:
            written = checked_adapter(cleaned.get("adapter", ""))
            fields = {name: cleaned.get(name) for name in ADAPTER_FIELDS}
            cleaned["adapter"] = written | checked_adapter(fields)
        except ApiError as refusal:
            self.add_error(field_of(refusal), refusal.message)
        return cleaned

    def to_submit(self) -> dict[str, Any]:
        names = (*KEPT_FIELDS, "adapter", "idempotency_key", "writable_folders")
        return {name: self.cleaned_data[name] for name in names}

    @property
    def has_differences(self) -> bool:
        """Whether a field is filled in that says how the service differs from the contract."""
        names = (*ADAPTER_FIELDS, "model_endpoint", "writable_folders", "adapter")
        return any(self[name].value() or name in self.errors for name in names)


def field_of(refusal: ApiError) -> str:
    """Return the form field that an error of the adapter belongs to."""
    name = str(refusal.details.get("field", "")).removeprefix("adapter.")
    return name if name in ADAPTER_FIELDS else "adapter"
