"""Print a drift report: the latest classifications compared with the training data."""

import json
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from inference.drift import file as drift_file
from inference.drift import log as drift_log
from inference.drift import statistics as drift

BAR = "█"
BAR_LENGTH = 24


class Command(BaseCommand):
    help = "Print PSI and Kolmogorov-Smirnov of each column of the drift log against the reference."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--rows", type=int, default=drift_log.RECENT_ROWS, help="newest rows to compare")
        parser.add_argument("--current", type=Path, help="a drift CSV to read instead of the table")
        parser.add_argument("--reference", type=Path, default=settings.DRIFT_REFERENCE_PATH)
        parser.add_argument("--json", action="store_true", help="print JSON")
        parser.add_argument("--fail-above", type=float, metavar="SHARE", help="exit 1 above this share of drift")

    def handle(self, *args: Any, **options: Any) -> None:
        report = self._report(options)
        self.stdout.write(as_json(report) if options["json"] else as_text(report))
        limit = options["fail_above"]
        if limit is not None and report.share_drifted > limit:
            raise CommandError(f"{report.share_drifted:.0%} of the columns have drifted.")

    def _report(self, options: dict[str, Any]) -> drift.DriftReport:
        rows, current = options["rows"], options["current"]
        if rows < 1:
            raise CommandError("--rows must be 1 or more.")
        lately = read(current, rows) if current else drift_log.recent(rows)
        return drift.compare(read(options["reference"]), lately)


def read(path: Path, rows: int | None = None) -> dict[str, list[object]]:
    try:
        return drift_file.read(path, rows)
    except OSError as error:
        raise CommandError(f"{path} cannot be read: {error.strerror}.") from error


def as_text(report: drift.DriftReport) -> str:
    lines = [f"{report.current_rows} rows lately, {report.reference_rows} of the reference"]
    if report.columns:
        lines += ["", f"{'column':12}{'PSI':>8}{'KS':>8}{'p':>10}", *map(row_text, report.columns), "", verdict(report)]
    else:
        lines.append("Nothing to compare.")
    return "\n".join(lines)


def row_text(column: drift.ColumnDrift) -> str:
    ks = f"{column.ks:8.3f}{column.p_value:10.2g}" if column.ks is not None else f"{'':18}"
    bar = BAR * min(BAR_LENGTH, round(column.psi * BAR_LENGTH))
    mark = "  drifted" if column.is_drifted else ""
    return f"{column.column:12}{column.psi:8.3f}{ks}  {bar}{mark}".rstrip()


def verdict(report: drift.DriftReport) -> str:
    if not report.is_judged:
        return f"Too few rows to judge; {drift.LEAST_ROWS} are needed."
    return f"{report.share_drifted:.0%} of the columns have drifted."


def as_json(report: drift.DriftReport) -> str:
    columns = [
        {
            "column": column.column,
            "psi": column.psi,
            "ks": column.ks,
            "p_value": column.p_value,
            "is_drifted": column.is_drifted,
        }
        for column in report.columns
    ]
    facts = {"reference_rows": report.reference_rows, "current_rows": report.current_rows}
    return json.dumps({**facts, "share_drifted": report.share_drifted, "columns": columns}, indent=2)
