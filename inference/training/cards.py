"""Write model cards as plain Markdown; the training code calls this."""

from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from pathlib import Path

NOT_CLINICAL = (
    "**Not for clinical use.** A research and teaching model: it is no medical device, was checked by no "
    "authority, and its answer must not influence the care of any person."
)


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


def bullets(lines: Iterable[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)


def write_card(path: Path, title: str, sections: Mapping[str, str]) -> None:
    """Write a card: title, warning and sections."""
    body = "\n\n".join(f"## {head}\n\n{text}" for head, text in sections.items())
    path.write_text(f"# {title}\n\n{NOT_CLINICAL}\n\n{body}\n")


Item = tuple[str, str, str]
# (topic, where the guidelines ask for it, where the card answers it or what is not known)
_COMMON: tuple[Item, ...] = (
    ("Title and purpose", "both: title, introduction", "title, What it is: research and teaching, no clinical use"),
    ("Study design", "both: methods, design", "retrospective, public data, internal validation only"),
    ("Source of data, eligibility", "both: methods, data", "Data, Attribution; as the publishers selected"),
    ("Data partitions, level of splitting", "CLAIM: methods, data partitions", "Training, How good it is"),
    ("Preprocessing, missing data", "both: methods, data", "What it is, Data"),
    ("Model, software, initialisation", "both: methods, model", "What it is, Training; PyTorch"),
    ("Selection of the final model", "both: methods, training", "Training; docs/decisions/"),
    ("Metrics, uncertainty, calibration", "both: methods, evaluation; results", "How good it is"),
    (
        "Fairness and subgroups",
        "TRIPOD+AI: fairness; CLAIM: results",
        "by scan and size where known; age, sex, country: not in the data",
    ),
    (
        "Failure analysis, unusual inputs",
        "CLAIM: evaluation, failure analysis",
        "What the warnings catch and miss, Limits",
    ),
    (
        "External validation",
        "both: evaluation, external data",
        "none beyond what the tables name: judge it on your patients",
    ),
    ("Sample size", "both: methods, sample size", "all public pictures at hand; no calculation was made"),
    ("Limits, intended users", "both: discussion", "Limits"),
    (
        "Availability of code, model and data",
        "both: open science, availability",
        "this repository; publishers of the data",
    ),
    ("Funding, registration, protocol", "both: open science, other information", "none"),
)
LESION_ITEMS = (
    *_COMMON,
    ("Reference standard", "both: methods, reference standard", "readers' votes, no pathology"),
)
SLICE_ITEMS = (
    *_COMMON,
    ("Reference standard", "both: methods, reference standard", "the publishers' folders, not verified: Data"),
)


def items_table(items: Sequence[Item]) -> str:
    """Return where each topic of the guidelines is answered, by their sections.

    Sources: Collins et al., TRIPOD+AI, BMJ (2024); Tejani et al., CLAIM 2024 update, Radiology: AI (2024).
    """
    return table(("topic", "asked for by", "where"), items)


def pseudonym(name: str) -> str:
    """Return a digest that stands for a case, a patient or a series of the data in a table that is shipped."""
    return sha256(name.encode()).hexdigest()[:12]
