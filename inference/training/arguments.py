"""Command-line arguments of both training commands."""

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

DATA_VARIABLE = "LUNASITE_REAL_DATA"


def parser_for(description: str | None, data_help: str) -> argparse.ArgumentParser:
    """Return a parser with --data, --out and --threads."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help=f"{data_help}; without it the environment's {DATA_VARIABLE}")
    parser.add_argument("--out", type=Path, default=Path("inference/weights"))
    parser.add_argument("--threads", type=int, default=2)
    return parser


def options_of(parser: argparse.ArgumentParser, arguments: Sequence[str] | None) -> argparse.Namespace:
    """Return the options and make the folder of --out: minutes of training must not end at a missing one.

    Exits with argparse's usage error when no data folder is given.
    """
    options = parser.parse_args(arguments)
    if options.data is None:
        usual = os.environ.get(DATA_VARIABLE)
        if not usual:
            parser.error(f"say where the data are: --data, or the environment variable {DATA_VARIABLE}")
        options.data = Path(usual)
    options.out.mkdir(parents=True, exist_ok=True)
    return options
