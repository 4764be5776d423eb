"""Small real rows for tests: a dataset of ten lesions, a phase over it, people, files."""

import itertools
from datetime import timedelta

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.core.files.uploadedfile import SimpleUploadedFile
from django.utils import timezone

from submissions import actions
from submissions.models import Case, Challenge, Dataset, Phase, Quota, Worker
from submissions.teams.membership import create_team

numbers = itertools.count(1)
TRUTH = [0, 0, 0, 0, 0, 0, 1, 1, 1, 1]
GOOD = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.55, 0.7, 0.8, 0.9]  # AUC 23/24


def make_user(name=None, **fields):
    return get_user_model().objects.create_user(name or f"user{next(numbers)}", password="a-long-password", **fields)


def make_member(name=None, team=None):
    user = make_user(name)
    create_team(user=user, name=team or f"team {user.username}")
    return user


def make_staff(group, *phases, name=None, **fields):
    """Return a staff account in one of the ready-made groups; an organiser organises `phases`."""
    user = make_user(name, is_staff=True, **fields)
    user.groups.add(Group.objects.get(name=group))
    for phase in phases:
        phase.challenge.organisers.add(user)
    return user


def make_dataset(truth=TRUTH, splits=None, kind="lesion", patients=True):
    dataset = Dataset.objects.create(kind=kind, name=f"data{next(numbers)}", content_hash="h" * 64)
    Case.objects.bulk_create(
        Case(
            dataset=dataset,
            position=i,
            public_id=f"case{i}",
            truth=label,
            facts={"point_xyz_mm": [1.0, 2.0, 3.0]},
            patient=f"p{i // 2}" if patients else "",
            split=splits[i] if splits else "public",
        )
        for i, label in enumerate(truth)
    )
    return dataset


def make_challenge(**fields):
    fields.setdefault("slug", f"challenge{next(numbers)}")
    return Challenge.objects.create(**{"title": "A challenge", **fields})


def make_phase(dataset=None, quotas=(), **fields):
    fields.setdefault("slug", f"phase{next(numbers)}")
    fields.setdefault("title", "A phase")
    fields.setdefault("opens_at", timezone.now() - timedelta(days=1))
    dataset = dataset or make_dataset()
    # A phase whose cases are all public is one to practise in, unless a test says otherwise.
    has_private = dataset.cases.filter(split="private").exists()
    fields.setdefault("disclosure", "competition" if has_private else "practice")
    terms = {name: fields.pop(name) for name in ("needs_approval", "rules") if name in fields}
    if terms:
        fields["challenge"] = make_challenge(slug=fields["slug"], title=fields["title"], **terms)
    phase = Phase.objects.create(dataset=dataset, **fields)
    for tries, window in quotas:
        Quota.objects.create(phase=phase, tries=tries, window=window)
    return phase


def csv_bytes(values=GOOD, header="AnnotationID,probability"):
    return "\n".join([header, *(f"case{i},{value!r}" for i, value in enumerate(values))]).encode()


def csv_file(values=GOOD, name="predictions.csv"):
    return SimpleUploadedFile(name, csv_bytes(values), content_type="text/csv")


def make_worker(cluster="evaluations", host="tests"):
    """Return a worker group that has just reported itself."""
    now = timezone.now()
    return Worker.objects.create(
        name=f"{host}/{cluster}/1", host=host, cluster=cluster, pid=1, started_at=now, seen_at=now
    )


def make_submission(user=None, phase=None, values=GOOD, **fields):
    return actions.submit_csv(
        user=user or make_member(),
        phase=phase or make_phase(),
        file=csv_file(values),
        received_at=fields.pop("received_at", timezone.now()),
        **fields,
    )


def evaluated(**fields):
    """Return a submission that went through a worker's hands."""
    submission = make_submission(**fields)
    actions.evaluate(evaluation_id=submission.latest.pk, worker="tests")
    submission.refresh_from_db()
    return submission
