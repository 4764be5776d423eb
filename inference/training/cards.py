"""Write model cards as plain Markdown; the training code calls this."""

from collections.abc import Iterable, Mapping, Sequence
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
# (item, where the guideline asks for it, where the card answers it or what is not known)
_COMMON: tuple[Item, ...] = (
    ("Title and purpose", "TRIPOD+AI 1, 3; CLAIM 1, 4", "title, What it is: research and teaching, no clinical use"),
    ("Study design", "TRIPOD+AI 5; CLAIM 5", "retrospective, public data, internal validation only"),
    ("Source of data, eligibility", "TRIPOD+AI 5, 6; CLAIM 7 to 9", "Data, Attribution; as the publishers selected"),
    ("Data partitions, level of splitting", "CLAIM 20, 21", "Training, How good it is"),
    ("Preprocessing, missing data", "TRIPOD+AI 7, 11; CLAIM 10, 11", "What it is, Data"),
    ("Model, software, initialisation", "TRIPOD+AI 12; CLAIM 22 to 25", "What it is, Training; PyTorch"),
    ("Selection of the final model", "TRIPOD+AI 12; CLAIM 26, 27", "Training; docs/decisions/"),
    ("Metrics, uncertainty, calibration", "TRIPOD+AI 12, 23; CLAIM 28 to 30, 35", "How good it is"),
    (
        "Fairness and subgroups",
        "TRIPOD+AI 14; CLAIM 37",
        "by scan and size where known; age, sex, country: not in the data",
    ),
    ("Failure analysis, unusual inputs", "CLAIM 31, 38", "What the warnings catch and miss, Limits"),
    (
        "External validation",
        "TRIPOD+AI 23; CLAIM 32",
        "none beyond what the tables name: judge it on your patients",
    ),
    ("Sample size", "TRIPOD+AI 10; CLAIM 19", "all public pictures at hand; no calculation was made"),
    ("Limits, intended users", "TRIPOD+AI 26, 27; CLAIM 39, 40", "Limits"),
    (
        "Availability of code, model and data",
        "TRIPOD+AI 18; CLAIM 42, 44",
        "this repository; publishers of the data",
    ),
    ("Funding, registration, protocol", "TRIPOD+AI 18; CLAIM 41, 43", "none"),
)
LESION_ITEMS = (*_COMMON, ("Reference standard", "TRIPOD+AI 8; CLAIM 13 to 16", "readers' votes, not pathology: Data"))
SLICE_ITEMS = (
    *_COMMON,
    ("Reference standard", "TRIPOD+AI 8; CLAIM 13 to 16", "the publishers' folders, not verified: Data"),
)


def items_table(items: Sequence[Item]) -> str:
    """Return where each item of the guidelines is answered.

    Sources: Collins et al., TRIPOD+AI, BMJ (2024); Tejani et al., CLAIM 2024 update, Radiology: AI (2024).
    """
    return table(("item", "guideline", "where"), items)
