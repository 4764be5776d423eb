"""A participant: an account, a team of one, 15 tries, and everything that the site answers to them.

Requests go through the site's own views and middleware; a submission is scored by the worker's own code.
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator
from typing import Any

import numpy as np
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from numpy.typing import NDArray

from lunasite.http.models import CallCount
from submissions import actions
from submissions.models import Phase, Submission
from submissions.teams.membership import create_team
from submissions.tests.mails import sent_mails

OF_PHASE = (
    "/phases/{slug}/", "/api/v1/phases/{slug}", "/api/v1/phases/{slug}/template", "/api/v1/phases/{slug}/samples",
    "/api/v1/phases/{slug}/trial", "/api/v1/phases/{slug}/truth", "/leaderboards/{slug}/",
    "/leaderboards/{slug}/history/", "/leaderboards/{slug}/leaderboard.csv", "/leaderboards/{slug}/compare/",
    "/api/v1/leaderboard?phase={slug}", "/api/v1/leaderboard/history?phase={slug}", "/submissions/",
    "/api/v1/submissions",
)  # fmt: skip
OF_SUBMISSION = (
    "/submissions/{pk}/", "/submissions/{pk}/progress/", "/api/v1/submissions/{pk}",
    "/api/v1/submissions/{pk}/report", "/api/v1/submissions/{pk}/record",
)  # fmt: skip
HEX = re.compile(r"\b[0-9a-f]{64}\b")
names = itertools.count(1)


class Seen:
    """Everything that can be read after a try, by address."""

    def __init__(self, documents: dict[str, str]) -> None:
        self.documents = documents

    def values(self, name: str, split: str = "public") -> list[Any]:
        """Return every value under this name anywhere in the JSON documents, inside this split."""
        found = []
        for text in self.documents.values():
            if text[:1] in "{[":
                found += [value for path, value in leaves(json.loads(text)) if split in path and name in path]
        return found

    def number(self, name: str) -> float | None:
        """Return a metric of this try on the public cases, with the most digits that any document shows."""
        own = [text for path, text in self.documents.items() if "submissions/" in path and text[:1] == "{"]
        numbers = [
            value
            for text in own
            for path, value in leaves(json.loads(text))
            if path[-2:] == ("public", name) and isinstance(value, int | float)
        ]
        return max(numbers, key=lambda value: len(repr(value)), default=None)

    def curve(self, name: str) -> list[list[float]]:
        """Return the points of a curve on the public cases; none where no curve is shown."""
        for path, text in self.documents.items():
            if path.endswith("/report"):
                points = json.loads(text).get("curves", {}).get("public", {}).get(name, [])
                return [list(point) for point in points]
        return []

    def digests(self) -> set[str]:
        return {digest for text in self.documents.values() for digest in HEX.findall(text)}


def leaves(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yield (path, value) of everything in a JSON value that is neither object nor list."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from leaves(item, (*path, str(key)))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from leaves(item, (*path, str(index)))
    else:
        yield path, value


class Participant:
    """ids: the counted ones, in the order in which the template names them."""

    def __init__(self, phase: Phase) -> None:
        number = next(names)
        self.user = User.objects.create_user(f"player{number}", email=f"player{number}@example.org")
        create_team(user=self.user, name=f"Players {number}")
        self.client = Client()
        self.client.force_login(self.user)
        self.slug = phase.slug
        self.spent = 0
        samples = set(re.findall(r"^(.+?),", self.get("/api/v1/phases/{slug}/samples"), re.MULTILINE))
        lines = self.get("/api/v1/phases/{slug}/template").splitlines()[1:]
        self.ids = [line.partition(",")[0] for line in lines if line.partition(",")[0] not in samples]

    def get(self, path: str, **names: object) -> str:
        answer = self.client.get(path.format(slug=self.slug, **names))
        return answer.getvalue().decode(errors="replace")

    def look(self) -> Seen:
        """Read everything that the phase shows without a try."""
        return Seen({path: self.get(path) for path in OF_PHASE})

    def submit(self, values: NDArray[np.float64]) -> Seen:
        """Spend a try on one probability per id, and read everything that is shown once it is scored."""
        self.spent += 1
        pk = self._send(values)
        actions.evaluate(evaluation_id=Submission.objects.get(pk=pk).latest.pk, worker="bench")
        pages = {path.format(pk=pk, slug=self.slug): self.get(path, pk=pk) for path in (*OF_SUBMISSION, *OF_PHASE)}
        own = [message.body for message in sent_mails() if self.user.email in message.to]
        return Seen(pages | {f"mail {i}": body for i, body in enumerate(own)})

    def _send(self, values: NDArray[np.float64]) -> str:
        CallCount.objects.all().delete()  # the throttle slows an attack down; it does not stop it
        rows = "".join(f"{public_id},{float(p)!r}\n" for public_id, p in zip(self.ids, values, strict=True))
        file = SimpleUploadedFile("predictions.csv", f"AnnotationID,probability\n{rows}".encode())
        answer = self.client.post("/api/v1/submissions", {"phase": self.slug, "file": file})
        assert answer.status_code == 201, answer.content
        return str(answer.json()["id"])
