"""The form of a phase: the admin's fields, quotas a line each, dates in the organiser's own time zone."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django import forms
from django.core.exceptions import ValidationError
from django.utils import timezone
from django.utils.functional import cached_property

from submissions.admin.phase_form import DATES, PhaseForm
from submissions.datasets.access import datasets_visible_to
from submissions.models import Phase
from submissions.phases.opening import Window, quota_of, quota_text, takes_containers, why_no_containers

TYPED = "%Y-%m-%dT%H:%M"
SECTIONS = [
    ("What it is", ("title", "slug", "dataset", "description")),
    ("When", ("opens_at", "closes_at", "time_zone")),
    ("What it takes", ("accepts_csv", "accepts_docker", "quotas", "team_size_limit")),
    ("Ranking, and what participants see", (
        "metric", "tie_breaks", "disclosure", "ladder_step", "decimals", "score_digits", "interval_digits",
        "board_is_public", "is_hidden",
    )),
    ("Limits of a container", (
        "memory_mib", "root_mib", "cpus", "timeout_s", "startup_s", "predict_timeout_s", "parallel", "gpu",
    )),
]  # fmt: skip


def moment_field(label: str, help_text: str) -> forms.CharField:
    widget = forms.DateTimeInput(attrs={"type": "datetime-local"}, format=TYPED)
    # What was shown travels along: a date that somebody else changed meanwhile, and this form did not, stays theirs.
    return forms.CharField(label=label, required=False, widget=widget, help_text=help_text, show_hidden_initial=True)


class OrganiserPhaseForm(PhaseForm):
    """A new phase of a challenge, or an existing one. `save_with` stores it by the same action as the command."""

    opens_at = moment_field("Opens", "Empty: at once.")
    closes_at = moment_field("Closes", "Empty: never; then its private scores are never shown.")
    time_zone = forms.CharField(
        required=False, max_length=60, label="Time zone of these dates", show_hidden_initial=True,
        widget=forms.TextInput(attrs={"data-time-zone": True, "autocomplete": "off", "spellcheck": "false"}),
        help_text="Such as Europe/Amsterdam. Empty: UTC.",
    )  # fmt: skip
    quotas = forms.CharField(
        required=False, label="Tries of a team", initial="2/7d\n30/all",
        widget=forms.Textarea(attrs={"rows": 2, "class": "mono", "spellcheck": "false"}),
        help_text="One a line, all hold at once: 2/7d is two in any seven days, 30/all thirty in the whole phase. "
        "Empty: no limit.",
    )  # fmt: skip

    class Meta(PhaseForm.Meta):
        exclude = ["challenge", "priority", "batch_slugs"]

    def __init__(self, *args: Any, user: Any, zone: str = "", **options: Any) -> None:
        phase: Phase | None = options.get("instance")
        options["initial"] = self._first_values(phase, zone) | (options.get("initial") or {})
        super().__init__(*args, **options)
        dataset: Any = self.fields["dataset"]
        dataset.queryset = datasets_visible_to(user)
        dataset.help_text = "The version is kept: a later one takes another phase."
        if self.is_bound:  # the script fills in the browser's zone; here an empty one was sent, and means UTC
            self.fields["time_zone"].widget.attrs.pop("data-time-zone")
        self.fields["slug"].help_text = "The phase's address; letters, digits and -."
        self.fields["disclosure"].help_text = (
            "Before the end of a competition a team reads its best score of the public cases, and everything of the "
            "sample cases; after the end, everything. In practice everything is shown at once."
        )
        if phase is not None and phase.pk is not None:
            # Its address is in mails and bookmarks; scores of two datasets cannot be compared.
            self.fields["slug"].disabled = True
            dataset.disabled = phase.submissions.exists()

    def _first_values(self, phase: Phase | None, zone: str) -> dict[str, Any]:
        if phase is None or phase.pk is None:
            return {"time_zone": zone, **dict.fromkeys(DATES, "")}
        tz = zone_of(zone)
        shown = {name: at.astimezone(tz).strftime(TYPED) if (at := getattr(phase, name)) else "" for name in DATES}
        quotas = "\n".join(quota_text(quota) for quota in phase.quotas.all())
        return {**shown, "time_zone": zone or "UTC", "quotas": quotas}

    def sections(self) -> list[tuple[str, list[Any]]]:
        return [(title, [self[name] for name in names]) for title, names in SECTIONS]

    @cached_property
    def changed_data(self) -> list[str]:
        """Return the changed fields; the same date and time in another zone are another moment."""
        zone = self["time_zone"]
        shown = self.data.get(zone.html_initial_name, zone.initial)
        before, after = (str(value or "").strip() or "UTC" for value in (shown, zone.data))
        moved = [name for name in DATES if self[name].data] if before != after else []
        return list(dict.fromkeys([*super().changed_data, *moved]))

    def clean_time_zone(self) -> str:
        name = str(self.cleaned_data["time_zone"]).strip()
        try:
            zone_of(name)
        except ValueError as error:
            raise ValidationError(str(error)) from error
        return name

    def clean_quotas(self) -> list[Window]:
        try:
            return [quota_of(line.strip()) for line in str(self.cleaned_data["quotas"]).splitlines() if line.strip()]
        except ValueError as error:
            raise ValidationError(f"{error}.") from error

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        zone = zone_of(cleaned.get("time_zone") or "")
        for name in DATES:
            if isinstance(cleaned.get(name), datetime):
                continue  # as it is stored
            try:
                cleaned[name] = _moment(str(cleaned.get(name) or ""), zone)
            except ValueError as error:
                self.add_error(name, str(error))
                cleaned[name] = None
        cleaned["opens_at"] = cleaned["opens_at"] or min(self.instance.opens_at, timezone.now())
        dataset = cleaned.get("dataset")
        if dataset and cleaned.get("accepts_docker") and not takes_containers(dataset):
            self.add_error("accepts_docker", f"It cannot take images: {why_no_containers(dataset)}.")
        return cleaned


def _moment(text: str, zone: ZoneInfo) -> datetime | None:
    """Return a typed date and time as a moment; one that a change of clocks skips or repeats is taken as its first."""
    if not text:
        return None
    try:
        typed = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError("Give a date and time, such as 2027-01-31T12:00.") from None
    return typed if typed.tzinfo else typed.replace(tzinfo=zone)


def zone_of(name: str) -> ZoneInfo:
    """Return a time zone by its name, UTC for none. Raises ValueError with a sentence."""
    try:
        return ZoneInfo(name or "UTC")
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f"There is no time zone '{name[:60]}'; write one such as Europe/Amsterdam.") from None
