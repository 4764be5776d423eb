"""Check an image archive at home, as the platform will: python -m submissions.intake IMAGE.tar.gz

Needs Python 3.11 or newer and nothing else; layers compressed with zstd need `pip install backports.zstd`
before Python 3.14. Exit code 0: the platform takes it; 1: it does not;
2: the file could not be read.
"""

import argparse
import json
import sys
from dataclasses import asdict
from typing import Any

from submissions.faults import ParticipantError
from submissions.intake.image.facts import ImageFacts
from submissions.intake.image.scan import scan_archive


def main(arguments: list[str] | None = None) -> int:
    """Check the file named on the command line and return the exit code."""
    options = _parser().parse_args(arguments)
    try:
        facts = scan_archive(options.archive)
    except ParticipantError as error:
        sys.stderr.write(f"REFUSED  {error.code}\n{error.note}\n")
        return 1
    except OSError as error:
        sys.stderr.write(f"Cannot read {options.archive}: {error.strerror}.\n")
        return 2
    text = json.dumps(as_json(facts), indent=2) if options.json else as_text(facts)
    sys.stdout.write(text + "\n")
    return 0


def as_json(facts: ImageFacts) -> dict[str, Any]:
    """Return the facts without the config's bytes."""
    return {key: value for key, value in asdict(facts).items() if key not in ("config_json", "layers")}


def as_text(facts: ImageFacts) -> str:
    """Return the facts as lines for a person."""
    return "\n".join(f"{name:<12}{value}" for name, value in _lines(facts))


def _lines(facts: ImageFacts) -> list[tuple[str, str]]:
    config = facts.config
    return [
        ("ACCEPTED", f"{facts.layout} archive{', gzip' if facts.is_gzip else ''}"),
        ("image", facts.image_id),
        ("layers", str(len(facts.diff_ids))),
        ("size", f"{facts.file_bytes:,} bytes, unpacked {facts.expanded_bytes:,}"),
        ("sha256", facts.sha256),
        ("command", ascii([*config.entrypoint, *config.cmd])),
        ("workdir", ascii(config.working_dir or "/")),
        ("user", f"{config.user or 'root'!a} (the platform runs it as 65534)"),
        ("ports", _listed([str(port) for port in config.exposed_ports]) or "none; the HTTP contract expects 8000"),
        ("volumes", _listed(config.volumes) or "none"),
        ("variables", _listed(config.env_names) or "none"),
    ]


def _listed(values: list[str] | tuple[str, ...]) -> str:
    return ", ".join(ascii(value)[1:-1] for value in values)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m submissions.intake", description=__doc__)
    parser.add_argument("archive", help="a .tar, .tar.gz or .tgz, such as `docker save -o model.tar IMAGE` writes")
    parser.add_argument("--json", action="store_true", help="print the facts as JSON")
    return parser


if __name__ == "__main__":
    sys.exit(main())
