"""The form of a phase: metrics chosen by name, windows typed as `7d`, site limits shown beside empty fields."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

from django import forms
from django.conf import settings

from submissions.admin.lists.display import window
from submissions.kinds import KINDS
from submissions.models import Phase, Quota
from submissions.phases.opening import UNITS
from submissions.scoring import metrics_of


class WindowField(forms.CharField):
    """A duration such as `7d` or `12 hours`; empty means the whole phase."""

    def __init__(self, **options: Any) -> None:
        options.setdefault("required", False)
        options.setdefault("help_text", "Such as 7d, 12h or 90m. Empty: the whole phase.")
        super().__init__(**options)

    def prepare_value(self, value: Any) -> Any:
        return window(value) if isinstance(value, timedelta) else value

    def to_python(self, value: Any) -> Any:
        text = (super().to_python(value) or "").strip().lower()
        if text in ("", "all"):
            return None
        match = re.fullmatch(r"([1-9][0-9]{0,5})\s*(s|m|h|d|w)(ec|in|our|ay|eek)?[a-z]*", text)
        if not match:
            raise forms.ValidationError("Give a number and a unit: 7d, 12h, 90m, 2w; or nothing for the whole phase.")
        return timedelta(**{UNITS[match[2]]: int(match[1])})

    def has_changed(self, initial: Any, data: Any) -> bool:
        try:
            return bool(self.to_python(data) != initial)
        except forms.ValidationError:
            return True


class QuotaForm(forms.ModelForm):
    window = WindowField()

    class Meta:
        model = Quota
        fields = ["tries", "window"]


class NamesField(forms.CharField):
    """A list of names, separated by commas."""

    def prepare_value(self, value: Any) -> Any:
        return ", ".join(value) if isinstance(value, list) else value

    def to_python(self, value: Any) -> Any:
        return [name for name in re.split(r"[\s,]+", super().to_python(value) or "") if name]

    def has_changed(self, initial: Any, data: Any) -> bool:
        return bool(self.to_python(data) != (initial or []))


DATES = ("opens_at", "closes_at")


def metric_choices() -> list[tuple[str, Any]]:
    """Return the metrics that can rank, grouped by kind."""
    groups = [
        (kind.title, [(name, metric.title) for name, metric in metrics_of(kind.name).items() if metric.can_rank])
        for kind in KINDS.values()
    ]
    return [("", "the usual one of what is predicted"), *groups]


class PhaseForm(forms.ModelForm):
    metric = forms.ChoiceField(
        choices=metric_choices, required=False, help_text="The metric that ranks; it must fit the dataset's kind."
    )
    tie_breaks = NamesField(required=False, help_text="Metrics that decide ties, in order: average_precision, brier.")

    class Meta:
        model = Phase
        # The page's fieldsets decide which fields are shown.
        exclude: list[str] = []
        labels = {
            "memory_mib": "memory (MB)",
            "root_mib": "writable space (MB)",
            "cpus": "CPUs",
            "gpu": "GPU",
            "timeout_s": "whole run (s)",
            "startup_s": "start (s)",
            "predict_timeout_s": "one call (s)",
            "parallel": "calls at once",
        }

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        for name, text in site_limits().items():
            if name in self.fields:
                message = self.fields[name].help_text.partition("Empty:")[0]
                self.fields[name].help_text = f"{message}Empty: the site's own, {text}."

    def clean(self) -> dict[str, Any]:
        """Keep a date that nobody changed as it is stored: a form shows it to the second or the minute only."""
        cleaned = super().clean() or self.cleaned_data
        if self.instance.pk is not None:
            for name in {*DATES} & self.fields.keys() - {*self.changed_data}:
                cleaned[name] = getattr(self.instance, name)
        return cleaned

    def clean_priority(self) -> int:
        return self.cleaned_data["priority"] or 0


def site_limits() -> dict[str, str]:
    """Return the site's value for each limit that is left empty."""
    return {
        "memory_mib": f"{settings.EVALUATION_MEMORY_MIB} MB",
        "root_mib": f"{settings.EVALUATION_ROOT_MIB} MB",
        "cpus": f"{settings.EVALUATION_CPUS:g}",
        "timeout_s": f"{settings.EVALUATION_TIMEOUT_SECONDS:g} s",
        "startup_s": f"{settings.DOCKER_STARTUP_WAIT_SECONDS:g} s",
    }
