"""The demo's challenges: what the phases belong to, with texts, news and a picture as an organiser would make them."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any

import numpy as np
from django.db import transaction
from PIL import Image

from submissions.challenges.images import add_image
from submissions.challenges.news import publish
from submissions.editing.versions import save_text
from submissions.models import Challenge, SitePage

LESIONS, SLICES = "phantom-lesions", "phantom-slices"

LESION_OVERVIEW = """## The task

For each marked nodule of a made-up chest, give the **probability** that it was drawn as malignant. Malignant nodules
tend to be large, soft-edged and spiky; benign ones small, smooth and sometimes calcified.

## Two phases

| Phase | What for | Tries |
|---|---|---|
| Phantom rehearsal | it has ended: its private cases are scored and its board is final | 3 |
| Phantom lesions | the open phase | 5 a day, 30 in all |

## How it is scored

The **area under the ROC curve** ranks, with a 95 % interval by patient. Ties are broken by the average precision.

> Everything here was drawn by a program; a good score says nothing about patients.
"""
SLICE_OVERVIEW = """## The task

Sort made-up CT slices into four classes. Give one probability a class; they sum to 1.

This is a *practice* challenge: the labels are public, and every score is shown at once.

> Everything here was drawn by a program; a good score says nothing about patients.
"""
NEWS = (
    ("The open phase has begun", "The phase **Phantom lesions** takes CSVs and images. The template holds every id."),
    ("Baseline added",
     "An entry of ours stands on the board *without a rank*: beat it.\n\n- one threshold\n- no training at all"),
)  # fmt: skip
PAGES = {
    "terms": "This is a demo. Do not upload data of patients. Accounts and files may be deleted at any time.",
    "privacy": "The demo stores what you type and upload on this computer, and sends nothing anywhere.",
    "imprint": "Whoever started the demo runs it.",
}


@dataclass(frozen=True)
class DemoChallenge:
    slug: str
    title: str
    tagline: str
    overview: str


CHALLENGES = (
    DemoChallenge(LESIONS, "Phantom nodules", "Which of these made-up nodules are malignant?", LESION_OVERVIEW),
    DemoChallenge(SLICES, "Phantom slices", "Four classes of made-up CT slices, to practise on.", SLICE_OVERVIEW),
)


@transaction.atomic
def open_challenges(organiser: Any) -> dict[str, Challenge]:
    """Return the demo's challenges by slug; the first call creates them, with their texts, news and logo."""
    return {wanted.slug: _challenge(wanted, organiser) for wanted in CHALLENGES}


def _challenge(wanted: DemoChallenge, organiser: Any) -> Challenge:
    challenge, is_new = Challenge.objects.get_or_create(
        slug=wanted.slug, defaults={"title": wanted.title, "tagline": wanted.tagline}
    )
    if not is_new:
        return challenge
    challenge.organisers.add(organiser)
    save_text(owner=challenge, name="overview", body=wanted.overview.strip(), user=organiser)
    add_image(challenge=challenge, data=_logo(wanted.slug), name="logo.png", user=organiser, is_logo=True)
    for title, body in NEWS if wanted.slug == LESIONS else ():
        publish(challenge=challenge, title=title, body=body, author=organiser)
    return challenge


def write_site_pages(operator: Any) -> None:
    """Write the site's own pages, unless somebody has written them."""
    for name, body in PAGES.items():
        page, _ = SitePage.objects.get_or_create(name=name)
        if not page.body:
            save_text(owner=page, name="body", body=body, user=operator)


def _logo(slug: str) -> bytes:
    """Return a small picture: a disc, soft-edged for nodules, in four parts for slices."""
    y, x = np.mgrid[-1:1:128j, -1:1:128j]
    radius = np.hypot(x, y)
    shape = np.clip((0.8 - radius) * 6, 0, 1)
    if slug == SLICES:
        shape = shape * np.where((x > 0) ^ (y > 0), 1.0, 0.55)
    colour = np.array([15, 118, 110], dtype=float)
    pixels = np.dstack([np.broadcast_to(colour, (*shape.shape, 3)), shape * 255]).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels, "RGBA").save(file, "PNG")
    return file.getvalue()
