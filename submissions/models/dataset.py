"""Datasets: the cases to predict, and their ground truth, which never leaves the worker."""

from __future__ import annotations

from django.conf import settings
from django.db import models

from submissions.keyed import keyed_order, new_secret, new_seed
from submissions.kinds import KINDS, CaseContent, Kind


def kind_choices() -> list[tuple[str, str]]:
    """Return (name, title) of the kinds; a function, so that a new kind needs no migration."""
    return [(name, kind.title) for name, kind in KINDS.items()]


class Dataset(models.Model):
    """A versioned set of cases of one kind.

    `content_hash` is the commitment to it (submissions.datasets.commitment): public from the start, while `nonce`,
    `bootstrap_seed` and the truth stay secret until staff publish them. `secret_key` is never published.
    """

    kind = models.CharField(max_length=40, choices=kind_choices)
    name = models.SlugField(max_length=80)
    version = models.PositiveIntegerField(default=1)
    content_hash = models.CharField(max_length=64, editable=False)
    description = models.TextField(blank=True)
    warnings = models.JSONField(
        default=list, blank=True, editable=False, help_text="What the import found worth a look, one sentence each."
    )
    created_at = models.DateTimeField(auto_now_add=True)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, editable=False,
        related_name="datasets", help_text="Who imported it in the browser; empty: the site's.",
    )  # fmt: skip
    is_practice = models.BooleanField(
        default=False, editable=False, help_text="Its labels are public, and so its phases are for practice."
    )
    secret_key = models.CharField(max_length=64, default=new_secret, editable=False)
    nonce = models.CharField(max_length=64, default=new_secret, editable=False)
    bootstrap_seed = models.PositiveIntegerField(default=new_seed, editable=False)
    revealed_at = models.DateTimeField(
        null=True, blank=True, editable=False, help_text="Since when all of it is public."
    )

    class Meta:
        constraints = [models.UniqueConstraint(fields=["name", "version"], name="one_dataset_per_version")]
        ordering = ["name", "-version"]

    def __str__(self) -> str:
        return f"{self.name} v{self.version}"

    @property
    def task(self) -> Kind:
        return KINDS[self.kind]

    def scored_cases(self) -> models.QuerySet[Case]:
        """Return the counted cases in the dataset's order; sample cases are scored apart and never counted."""
        return self.cases.exclude(split=Split.SAMPLE).order_by("position")

    def case_counts(self) -> dict[str, int]:
        """Return the number of cases of each split, in one query."""
        rows = self.cases.order_by().values_list("split").annotate(count=models.Count("pk"))
        return {split.value: 0 for split in Split} | dict(rows)

    def sample_cases(self) -> models.QuerySet[Case]:
        return self.cases.filter(split=Split.SAMPLE).order_by("position")

    def handed_out_ids(self) -> list[str]:
        """Return the ids of all cases, samples among the others, in a secret order that says nothing of a case."""
        return keyed_order(self.secret_key, "order", self.cases.values_list("public_id", flat=True))


class Split(models.TextChoices):
    PUBLIC = "public", "public: its scores show at once"
    PRIVATE = "private", "private: its scores show when the phase ends"
    SAMPLE = "sample", "sample: handed out, scored apart"


class Case(models.Model):
    """One thing to predict. truth: never leaves the worker. facts: further data; only the kind interprets both."""

    dataset = models.ForeignKey(Dataset, on_delete=models.CASCADE, related_name="cases")
    position = models.PositiveIntegerField(help_text="Row in the table it came from; scores depend on this order.")
    public_id = models.CharField(max_length=200)
    image = models.CharField(max_length=300, blank=True, help_text="Key in the datasets storage.")
    truth = models.JSONField()
    facts = models.JSONField(default=dict, blank=True)
    patient = models.CharField(max_length=100, blank=True)
    split = models.CharField(max_length=10, choices=Split.choices, default=Split.PUBLIC)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["dataset", "public_id"], name="one_case_per_id"),
            models.UniqueConstraint(fields=["dataset", "position"], name="one_case_per_position"),
        ]
        ordering = ["dataset", "position"]

    def __str__(self) -> str:
        return self.public_id

    def points_xyz_mm(self) -> list[list[float]]:
        """Return the points that truth and facts name in the image: (x, y, z), mm, LPS. They may be the truth."""
        return self.dataset.task.points_xyz_mm(CaseContent(self.truth, self.facts))
