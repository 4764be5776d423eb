"""What is in a starter kit: texts that fit the phase, and the images of its sample cases. No hidden case is near.

Everything of the dataset comes from two places that never look at a hidden case: `trial_cases` and `samples_file`; of
the hidden cases only their ids are there, in the template, as on the phase's page.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from django.conf import settings
from django.template.loader import render_to_string

from lunasite.client.made_up import MadeUpCase, made_up_cases
from lunasite.client.views import client_file
from submissions.models import Case, Phase
from submissions.presenters.phase_files import samples_file, template_file
from submissions.runner.contracts import contracts_for
from submissions.scoring import METRICS
from submissions.worker.case_files import image_pieces, trial_cases

EXAMPLES = Path(settings.BASE_DIR) / "examples"
BASELINES = ("http-baseline", "batch-baseline")
# The contracts whose names stand in an example, as they are without a phase's own.
EXAMPLE_KIND = "lesion"


@dataclass(frozen=True)
class Image:
    """One image of the kit. identity: says which bytes `pieces` yields, without reading them."""

    name: str
    identity: str
    pieces: Callable[[], Iterator[bytes]]


@dataclass(frozen=True)
class Contents:
    """texts: small files by name. images: what may be large, and is read only when the zip is written."""

    texts: dict[str, bytes]
    images: list[Image]


def contents_of(phase: Phase) -> Contents:
    """Return the files of a phase's starter kit."""
    cases, images = _cases(phase)
    has_examples = phase.accepts_docker and phase.kind.name == EXAMPLE_KIND
    texts = {"lunasite.py": client_file(), "samples.csv": samples_file(phase).content}
    if phase.accepts_csv:
        texts["template.csv"] = template_file(phase).content
        texts["predict_samples.py"] = (EXAMPLES / "starter-kit" / "predict_samples.py").read_bytes()
    if cases:
        texts["cases/cases.json"] = json.dumps(cases, indent=2).encode()
    if phase.kind.name == EXAMPLE_KIND:
        texts["nodule_size.py"] = (EXAMPLES / "nodule_size.py").read_bytes()
    if has_examples:
        texts |= _examples(phase)
    texts["README.md"] = _readme(phase, cases=cases, has_examples=has_examples).encode()
    return Contents(texts, images)


def _cases(phase: Phase) -> tuple[list[dict[str, Any]], list[Image]]:
    """Return what cases.json says, and the images; without sample images made-up ones, as in a trial at home."""
    samples = trial_cases(phase.dataset)
    if samples:
        numbers: dict[str, int] = {}
        listed = [_listed(case, numbers.setdefault(case.image, len(numbers) + 1)) for case in samples]
        images = [
            Image(f"cases/{number}{Path(key).suffix.lower()}", key, partial(image_pieces, key))
            for key, number in numbers.items()
        ]
        return listed, images
    if not (phase.accepts_docker and contracts_for(phase.kind)):
        return [], []
    made_up = made_up_cases(phase.kind)
    return [_listed_made_up(case) for case in made_up], [_made_up_image(case) for case in made_up]


def _listed(case: Case, number: int) -> dict[str, Any]:
    return {"id": case.public_id, "file": f"{number}{Path(case.image).suffix.lower()}", "facts": case.facts}


def _listed_made_up(case: MadeUpCase) -> dict[str, Any]:
    return {"id": f"made-up-{case.number}", "file": f"{case.number}{case.suffix}", "facts": case.facts}


def _made_up_image(case: MadeUpCase) -> Image:
    return Image(
        f"cases/{case.number}{case.suffix}", f"made up {case.number}", lambda: iter([case.file().read_bytes()])
    )


def _examples(phase: Phase) -> dict[str, bytes]:
    """Return both examples of a container, with the phase's slugs and this site's address in them."""
    files = {"containers/nodule_size.py": (EXAMPLES / "nodule_size.py").read_bytes()}
    for baseline in BASELINES:
        for path in sorted((EXAMPLES / baseline).iterdir()):
            if path.is_file() and path.suffix != ".gz":
                files[f"containers/{baseline}/{path.name}"] = _filled_in(
                    path.read_text(encoding="utf-8"), phase
                ).encode()
    return files


def _filled_in(text: str, phase: Phase) -> str:
    text = text.replace("phase=SLUG", f"phase={phase.slug}").replace("SITE/api", f"{settings.SITE_URL}/api")
    batch = phase.kind.batch
    if batch is None:
        return text
    for name in phase.batch_slugs:
        usual = batch.output_names[0].removesuffix(".json") if name == "output" else batch.sockets[name][0]
        text = text.replace(usual, batch.slug(name, phase.batch_slugs))
    return text


def _readme(phase: Phase, *, cases: list[dict[str, Any]], has_examples: bool) -> str:
    context = {
        "phase": phase,
        "site": settings.SITE_URL,
        "metric": METRICS[phase.ranking_metric],
        "contracts": [contract.name for contract in contracts_for(phase.kind)] if has_examples else [],
        "has_cases": bool(cases),
        "has_model": phase.kind.name == EXAMPLE_KIND,
        "is_made_up": bool(cases) and not trial_cases(phase.dataset),
        "has_samples": phase.dataset.sample_cases().exists(),
        "sentences": phase.kind.csv_sentences(),
        "columns": ",".join(phase.kind.template_header()),
    }
    return render_to_string("starter_kit/README.md", context)
