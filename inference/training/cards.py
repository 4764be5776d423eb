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
