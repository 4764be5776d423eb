"""The form of an import: what `manage.py import_dataset` takes as options. The files are streamed beside it."""

from __future__ import annotations

from typing import Any

from django import forms

from submissions.kinds import KINDS
from submissions.models import Dataset
from submissions.models.dataset import kind_choices

DRAWN, COLUMN, PRACTICE = "drawn", "column", "practice"
SPLITS = [
    (DRAWN, "Drawn by patient under a secret key: sample cases, a public and a private part"),
    (COLUMN, "As a column of the table says: public, private, sample"),
    (PRACTICE, "For practice: the labels are public, and so are all cases"),
]


class ImportForm(forms.Form):
    """A new dataset, or the next version of one. `to_import` gives the options as the action takes them."""

    name = forms.SlugField(
        max_length=80,
        label="Name of the dataset",
        help_text="Letters, digits, - and _. The same name again: version 2.",
    )
    kind = forms.ChoiceField(choices=kind_choices, label="What is predicted")
    split = forms.ChoiceField(
        choices=SPLITS, initial=DRAWN, widget=forms.RadioSelect(attrs={"class": "lines"}), label="How it is split"
    )
    public_percent = forms.IntegerField(
        min_value=1, max_value=99, required=False, initial=30, label="Public part (% of the patients)",
        help_text="Whose score shows while a phase runs; the rest ranks at its end.",
    )  # fmt: skip
    split_column = forms.CharField(max_length=80, required=False, label="Column of the split")
    samples = forms.IntegerField(
        min_value=0, max_value=100_000, required=False, label="Sample cases",
        help_text="Their truth is shown to everybody. Empty: 20, of few cases a quarter; 0: none.",
    )  # fmt: skip
    resample_mm = forms.FloatField(
        min_value=0.1, max_value=10, required=False, label="Resample volumes to (mm)",
        help_text="Cubic voxels of this size, such as 1.0. Empty: unchanged.",
    )  # fmt: skip
    upload = forms.UUIDField(required=False, widget=forms.HiddenInput)

    def clean_name(self) -> str:
        name = str(self.cleaned_data["name"])
        latest = Dataset.objects.filter(name=name).order_by("-version").first()
        self.latest_kind = latest.kind if latest else ""
        return name

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        split = cleaned.get("split")
        if split == COLUMN and not cleaned.get("split_column"):
            self.add_error("split_column", "Name the column of the table.")
        latest = getattr(self, "latest_kind", "")
        if latest and cleaned.get("kind") and latest != cleaned["kind"]:
            self.add_error("kind", f"The dataset of this name holds {KINDS[latest].title.lower()}.")
        return cleaned

    def options(self) -> dict[str, Any]:
        """Return the keywords that the import takes beside kind, name and files."""
        cleaned = self.cleaned_data
        split, percent = cleaned["split"], cleaned["public_percent"]
        return {
            "public_fraction": percent / 100 if split == DRAWN and percent else None,
            "split_column": cleaned["split_column"] if split == COLUMN else None,
            "samples": None if split == PRACTICE else cleaned["samples"],
            "is_practice": split == PRACTICE,
            "resample_mm": cleaned["resample_mm"],
        }


def form_values(kind: str, name: str, options: dict[str, Any]) -> dict[str, Any]:
    """Return the form's values of an earlier import, to begin a repeated one with."""
    fraction = options.get("public_fraction")
    split = PRACTICE if options.get("is_practice") else COLUMN if options.get("split_column") else DRAWN
    return {
        "kind": kind, "name": name, "split": split, "public_percent": round(fraction * 100) if fraction else 30,
        "split_column": options.get("split_column") or "", "samples": options.get("samples"),
        "resample_mm": options.get("resample_mm"),
    }  # fmt: skip
