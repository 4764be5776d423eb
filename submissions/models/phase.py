"""Phases: a dataset opened for a time, with a quota, limits and a ranking metric."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.exceptions import ValidationError
from django.db import models, transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone

from submissions.disclosure import View
from submissions.disclosure.policy import COMPETITION, ENDED, PRACTICE, STAFF
from submissions.disclosure.rounding import rounded
from submissions.kinds import Kind
from submissions.models.access import ALL_PHASES, holds, may
from submissions.models.challenges.challenge import Challenge
from submissions.models.dataset import Case, Dataset, Split
from submissions.runner.contracts import contracts_for
from submissions.scoring import metrics_of

NUMBER = re.compile(r"[0-9]{1,18}")
# What a final board rests on.
FROZEN = ("opens_at", "closes_at", "dataset_id", "metric", "tie_breaks", "decimals", "disclosure", "ladder_step")
SHORTEST_WINDOW = timedelta(seconds=1)
SLUG = re.compile("[a-z0-9]+(-[a-z0-9]+){0,20}")
MAX_WINDOW = timedelta(days=3653)  # a longer one would reach back before the first year of the calendar
# The least and the greatest of each limit of a container; the whole run has the site's own as its greatest. `parallel`
# is so many threads that call, or of a phase with a GPU so many containers.
LIMITS: dict[str, tuple[float, int]] = {
    "memory_mib": (64, 4 * 2**20), "root_mib": (16, 2**20), "cpus": (0.1, 256), "startup_s": (1, 3600),
    "predict_timeout_s": (1, 86_400), "parallel": (1, 64),
}  # fmt: skip


@dataclass(frozen=True)
class PhaseLimits:
    """The resources of a container in this phase; frozen into each submission."""

    memory_mib: int
    cpus: float
    timeout_s: float
    startup_s: float
    predict_timeout_s: float
    parallel: int
    gpu: bool
    root_mib: int

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


class PhaseQuerySet(models.QuerySet["Phase"]):
    def named(self, name: str) -> Phase | None:
        """Return the phase with this slug or, as older clients send it, with this number (the primary key).

        A slug of digits alone is matched before the number.
        """
        if "\0" in name:  # PostgreSQL accepts no NUL in text
            return None
        phase = self.filter(slug=name).first()
        if phase is None and NUMBER.fullmatch(name):
            phase = self.filter(pk=int(name)).first()
        return phase

    def visible_to(self, user: Any) -> PhaseQuerySet:
        """Return the phases that `user` may see: hidden ones only their organisers and the site's."""
        return self._open_to(user, Q(is_hidden=False, challenge__is_hidden=False))

    def boards_visible_to(self, user: Any) -> PhaseQuerySet:
        """Return the phases whose leaderboard `user` may see."""
        return self._open_to(user, Q(is_hidden=False, challenge__is_hidden=False, board_is_public=True))

    def _open_to(self, user: Any, to_everybody: Q) -> PhaseQuerySet:
        if not holds(user, "submissions.view_phase"):
            return self.filter(to_everybody)
        if user.has_perm(ALL_PHASES):
            return self
        own = Challenge.organisers.through.objects.filter(user=user).values("challenge")
        return self.filter(to_everybody | Q(challenge__in=own))

    def beside(self, slug: str) -> PhaseQuerySet:
        """Return the phase of this slug and those of the same challenge, which a page's tabs need."""
        return self.filter(challenge__phases__slug=slug)

    def with_splits(self) -> PhaseQuerySet:
        """Look with the same query which splits have cases, for `Phase.existing_splits`."""
        cases = Case.objects.filter(dataset=OuterRef("dataset"))
        return self.annotate(**{f"has_{split}": Exists(cases.filter(split=split)) for split in Split.values})

    def managed_by(self, user: Any, permission: str) -> PhaseQuerySet:
        """Return the phases for which `user` holds a permission."""
        if not holds(user, permission):
            return self.none()
        return self if user.has_perm(ALL_PHASES) else self.filter(challenge__organisers=user)


class Phase(models.Model):
    class Disclosure(models.TextChoices):
        PRACTICE = PRACTICE, "practice: the labels are public, everything is shown at once"
        COMPETITION = COMPETITION, "competition: until the end only the ranking score of the public cases"

    slug = models.SlugField(max_length=60, unique=True)
    title = models.CharField(max_length=120)
    challenge = models.ForeignKey(
        Challenge, on_delete=models.PROTECT, related_name="phases", blank=True,
        help_text="Its organisers, rules and approval hold here. Empty: a new one of the same slug.",
    )  # fmt: skip
    dataset = models.ForeignKey(Dataset, on_delete=models.PROTECT, related_name="phases")
    description = models.TextField(
        blank=True, help_text="What participants read first; plain text, blank lines part paragraphs."
    )
    opens_at = models.DateTimeField(default=timezone.now)
    closes_at = models.DateTimeField(null=True, blank=True, help_text="Empty: open without end.")
    is_hidden = models.BooleanField(default=False, help_text="Only staff see the phase at all.")
    board_is_public = models.BooleanField(default=True, help_text="Otherwise only staff see the leaderboard.")
    accepts_csv = models.BooleanField("accepts predictions (CSV)", default=True)
    accepts_docker = models.BooleanField("accepts Docker images", default=True)
    metric = models.CharField(max_length=40, blank=True, help_text="The metric that ranks; empty: the kind's own.")
    tie_breaks = models.JSONField(
        default=list, blank=True, help_text='Metrics that decide ties, such as ["average_precision"].'
    )
    decimals = models.PositiveSmallIntegerField(
        null=True,
        blank=True,
        default=4,
        help_text="Of everything shown in full (practice, sample cases, after the end); empty: full precision.",
    )
    disclosure = models.CharField(
        max_length=12,
        choices=Disclosure.choices,
        default=Disclosure.COMPETITION,
        help_text="What participants see before the end; docs/reference/disclosure.md has the list.",
    )
    score_digits = models.PositiveSmallIntegerField(
        "significant digits", default=3, help_text="Of the score in a competition before its end."
    )
    interval_digits = models.PositiveSmallIntegerField(
        "digits of the interval", default=2, help_text="Significant digits of its ends."
    )
    ladder_step = models.FloatField(
        null=True,
        blank=True,
        default=0.01,
        help_text="A new best is shown only when it beats the last by this much, and rounded to it. Empty: all are.",
    )
    memory_mib = models.PositiveIntegerField(null=True, blank=True, help_text="Empty: the site's own limit.")
    cpus = models.FloatField(null=True, blank=True, help_text="Empty: the site's own limit.")
    timeout_s = models.PositiveIntegerField(null=True, blank=True, help_text="Whole run. Empty: the site's own limit.")
    startup_s = models.PositiveIntegerField(
        null=True, blank=True, help_text="Until it answers. Empty: the site's own limit."
    )
    predict_timeout_s = models.PositiveIntegerField(default=300, help_text="One call, or one CT in batch mode.")
    parallel = models.PositiveSmallIntegerField(default=1, help_text="Calls at once to a container.")
    gpu = models.BooleanField(default=False)
    priority = models.SmallIntegerField(
        default=0,
        blank=True,
        help_text="Evaluations of a phase with a higher number are run first, whoever waits elsewhere.",
    )
    batch_slugs = models.JSONField(
        default=dict, blank=True, help_text='Other slugs of the batch contract, such as {"image": "ct", "output": "y"}.'
    )
    root_mib = models.PositiveIntegerField(
        null=True, blank=True, help_text="What its writable folders hold. Empty: the site's own limit."
    )

    team_size_limit = models.PositiveSmallIntegerField(
        null=True, blank=True, help_text="People in a team, those counted who sent and left. Empty: no limit."
    )

    frozen_at = models.DateTimeField(
        null=True, blank=True, editable=False, help_text="Since when its final board changes no more."
    )

    objects = PhaseQuerySet.as_manager()

    class Meta:
        ordering = ["-opens_at", "slug"]
        permissions = [("all_phases", "Can act on every phase, not only on own ones")]

    def __str__(self) -> str:
        return self.title

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Open a dataset whose labels are public for practice only; make a challenge where none was chosen."""
        if self.dataset.is_practice:
            self.disclosure = self.Disclosure.PRACTICE
        with transaction.atomic():
            if self.challenge_id is None:
                self.challenge = Challenge.objects.create(slug=self.slug, title=self.title)
            super().save(*args, **kwargs)

    @property
    def organisers(self) -> QuerySet[Any]:
        """The people who decide about the phase: those of its challenge."""
        return get_user_model().objects.filter(organised_challenges__in=[self.challenge_id])

    @property
    def needs_approval(self) -> bool:
        return self.challenge.needs_approval

    @property
    def rules(self) -> str:
        return self.challenge.rules

    @property
    def kind(self) -> Kind:
        return self.dataset.task

    @property
    def ranking_metric(self) -> str:
        return self.metric or self.kind.ranking_metric

    def is_open(self, now: datetime) -> bool:
        """Return whether the phase is open: the opening instant is included, the closing instant is not."""
        return self.opens_at <= now and not self.has_ended(now)

    def has_ended(self, now: datetime) -> bool:
        return self.closes_at is not None and now >= self.closes_at

    def limits(self) -> PhaseLimits:
        return PhaseLimits(
            memory_mib=self.memory_mib or settings.EVALUATION_MEMORY_MIB,
            cpus=self.cpus or settings.EVALUATION_CPUS,
            timeout_s=float(self.timeout_s or settings.EVALUATION_TIMEOUT_SECONDS),
            startup_s=float(self.startup_s or settings.DOCKER_STARTUP_WAIT_SECONDS),
            predict_timeout_s=float(self.predict_timeout_s),
            parallel=self.parallel,
            gpu=self.gpu,
            root_mib=self.root_mib or settings.EVALUATION_ROOT_MIB,
        )

    def case_ids(self) -> list[str]:
        """Return the counted ids in the dataset's order, in which they are scored; never handed out like this."""
        return list(self.dataset.scored_cases().values_list("public_id", flat=True))

    def sample_ids(self) -> list[str]:
        """Return the ids of the sample cases, which a file of predictions may leave out."""
        return list(self.dataset.sample_cases().values_list("public_id", flat=True))

    def existing_splits(self) -> set[str]:
        """Return the splits that have cases."""
        if f"has_{Split.PUBLIC}" in vars(self):  # of `with_splits`
            return {split for split in Split.values if getattr(self, f"has_{split}")}
        return set(self.dataset.cases.order_by().values_list("split", flat=True).distinct())

    def has_private_cases(self) -> bool:
        if f"has_{Split.PUBLIC}" in vars(self):
            return Split.PRIVATE in self.existing_splits()
        return self.dataset.cases.filter(split=Split.PRIVATE).exists()

    def state(self, now: datetime) -> str:
        """Return the line of the disclosure policy that holds at `now`; `ended` follows from the clock."""
        return ENDED if self.has_ended(now) else self.disclosure

    def view_of(self, user: Any, now: datetime) -> View:
        """Return what `user` may see at `now`; who may look at the evaluations of the phase sees everything."""
        is_staff = may(user, "submissions.view_evaluation", self)
        return self.view_in(STAFF if is_staff else self.state(now))

    def view_in(self, state: str) -> View:
        """Return what is seen in a state of the disclosure policy."""
        return View(
            state, self.ranking_metric, self.decimals, self.score_digits, self.interval_digits, self.step_of_ladder
        )

    @property
    def step_of_ladder(self) -> float:
        """The step of the ladder; 0.0 where every score of a competition is shown."""
        return self.ladder_step or 0.0

    @property
    def has_ladder(self) -> bool:
        """Whether participants see (or saw, before the end) public scores by the ladder, and one entry counts."""
        return self.view_in(self.disclosure).has_ladder

    def shown_splits(self, user: Any, now: datetime) -> list[str]:
        """Return the counted splits of which `user` may see a score."""
        view = self.view_of(user, now)
        return [Split(split) for split in view.counted_splits]

    def board_split(self, now: datetime) -> str:
        """Return the split used for ranking: the private one once the phase has ended, if there is one."""
        if self.has_ended(now) and self.has_private_cases():
            return Split.PRIVATE
        return Split.PUBLIC

    def rounded(self, value: Any) -> Any:
        """Round every float inside `value` to the phase's decimals; with decimals None, keep full precision."""
        return rounded(value, self.decimals)

    def clean(self) -> None:
        problems: dict[str, str] = {}
        if self.closes_at and self.closes_at <= self.opens_at:
            problems["closes_at"] = "The phase must close after it opens."
        if self.dataset_id:
            problems |= self._metric_problems() | self._container_problems()
        if self.decimals is not None and self.decimals > 15:
            problems["decimals"] = "Give 0 to 15, or nothing for full precision."
        problems |= self._disclosure_problems()
        if self.team_size_limit == 0:
            problems["team_size_limit"] = "Give 1 or more, or nothing for no limit."
        problems |= self._limit_problems() | self._challenge_problems() | self._frozen_problems()
        if problems:
            raise ValidationError(problems)

    def _frozen_problems(self) -> dict[str, str]:
        """Name the fields by which a frozen board would change."""
        if self.frozen_at is None:
            return {}
        stored = Phase.objects.filter(pk=self.pk).values(*FROZEN).first() or {}
        changed = [name.removesuffix("_id") for name in stored if stored[name] != getattr(self, name)]
        return dict.fromkeys(changed, "The final board is frozen: this changes no more.")

    def _challenge_problems(self) -> dict[str, str]:
        """Refuse to join, by the mere likeness of the slug, a challenge that nobody chose."""
        if self.challenge_id is None and Challenge.objects.filter(slug=self.slug).exists():
            return {"slug": f"There is a challenge '{self.slug}' already: choose it, or take another slug."}
        return {}

    def _disclosure_problems(self) -> dict[str, str]:
        digits = {name: getattr(self, name) for name in ("score_digits", "interval_digits")}
        problems = {name: "Give 1 to 15." for name, value in digits.items() if value is None or not 1 <= value <= 15}
        if self.ladder_step is not None and not 0 < self.ladder_step <= 1:
            problems["ladder_step"] = "Give more than 0 and at most 1, or nothing to show every score."
        return problems

    def _container_problems(self) -> dict[str, str]:
        if self.accepts_docker and not contracts_for(self.kind):
            return {"accepts_docker": f"No container contract serves {self.kind.title}; take CSVs only."}
        return self._slug_problems()

    def _slug_problems(self) -> dict[str, str]:
        """Name what is wrong with the slugs of batch files, which become names below /input and /output."""
        known = list(self.kind.batch.sockets) if self.kind.batch else []
        given = self.batch_slugs
        is_named = isinstance(given, dict) and all(name in known for name in given)
        if is_named and all(isinstance(slug, str) and SLUG.fullmatch(slug) for slug in given.values()):
            return {}
        return {"batch_slugs": f"Give an object with slugs for some of {', '.join(known) or 'none'}."}

    def _limit_problems(self) -> dict[str, str]:
        """Name the limits under which no container could run, or which no machine of this site could keep.

        A worker's process ends some time after the site's longest run, whatever a phase says.
        """
        ranges = LIMITS | {"timeout_s": (1, int(settings.EVALUATION_TIMEOUT_SECONDS))}
        problems = {
            name: f"Give {least:g} to {most:,}."
            for name, (least, most) in ranges.items()
            if (value := getattr(self, name)) is not None and not least <= value <= most
        }
        if "timeout_s" in problems:
            problems["timeout_s"] += " The operator sets the longest run (EVALUATION_TIMEOUT_SECONDS)."
        return problems

    def _metric_problems(self) -> dict[str, str]:
        known = [name for name, metric in metrics_of(self.kind.name).items() if metric.can_rank]
        choices = f"Choose from: {', '.join(known)}."
        problems = {}
        if self.metric and self.metric not in known:
            problems["metric"] = f"'{self.metric}' is no metric of {self.kind.name} phases. {choices}"
        breaks = self.tie_breaks
        if not isinstance(breaks, list) or any(name not in known for name in breaks):
            problems["tie_breaks"] = f"Give a list of metrics. {choices}"
        return problems


class Quota(models.Model):
    """The number of tries of a team within a rolling window; without a window, in the whole phase."""

    phase = models.ForeignKey(Phase, on_delete=models.CASCADE, related_name="quotas")
    tries = models.PositiveIntegerField()
    window = models.DurationField(
        null=True, blank=True, help_text="Such as '7 00:00:00' for a week; empty: the whole phase."
    )

    class Meta:
        constraints = [models.CheckConstraint(condition=Q(tries__gt=0), name="a_quota_allows_tries")]
        ordering = ["window", "tries"]

    def __str__(self) -> str:
        return f"{self.tries} {self.period}"

    @property
    def period(self) -> str:
        if self.window is None:
            return "in the whole phase"
        seconds = int(self.window.total_seconds())
        for name, length in (("days", 86400), ("hours", 3600), ("minutes", 60), ("seconds", 1)):
            if seconds % length == 0:
                count = seconds // length
                return f"every {count} {name}" if count > 1 else f"every {name.removesuffix('s')}"
        raise AssertionError("unreachable: every duration is a whole number of seconds")

    def clean(self) -> None:
        if self.window is not None and not SHORTEST_WINDOW <= self.window <= MAX_WINDOW:
            raise ValidationError({"window": "A window lasts from one second to ten years; empty: the whole phase."})
