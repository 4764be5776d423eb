"""Log drift rows, and compare them with the reference."""

import structlog
from django.conf import settings
from django.db import DatabaseError, transaction
from django.utils import timezone

from inference.drift import file as drift_file
from inference.drift import statistics as drift
from inference.models import DriftRow
from inference.networks.answers import SliceAnswer

log = structlog.get_logger(__name__)

RECENT_ROWS = 500


def record(answer: SliceAnswer) -> None:
    """Add one classification to the CSV and to the table; a failed write is logged and does not affect the answer."""
    row = DriftRow(
        timestamp=timezone.now(),
        **vars(answer.statistics),
        pred_index=answer.pred_index,
        pred_class=answer.pred_class,
        pred_conf=answer.confidence,
        warnings=" ".join(answer.warnings),
    )
    try:
        drift_file.append(settings.DRIFT_CURRENT_PATH, values_of(row))
        with transaction.atomic():
            row.save()
    except (OSError, DatabaseError) as error:
        log.warning("drift row lost", error=type(error).__name__)


def values_of(row: DriftRow) -> list[object]:
    values = [getattr(row, name) for name in drift_file.COLUMNS]
    return [row.timestamp.isoformat(timespec="milliseconds"), *values[1:]]


def recent(rows: int = RECENT_ROWS) -> dict[str, list[object]]:
    """Return the newest classifications of all processes and hosts, as columns."""
    newest = DriftRow.objects.order_by("-pk").values_list(*drift_file.COLUMNS)[:rows]
    return drift_file.columns_of(newest)


def reference() -> dict[str, list[object]]:
    """Return the rows of the training data, or empty columns where there is no reference file."""
    try:
        return drift_file.read(settings.DRIFT_REFERENCE_PATH)
    except OSError:
        return drift_file.columns_of([])


def report(rows: int = RECENT_ROWS) -> drift.DriftReport:
    return drift.compare(reference(), recent(rows))
