"""Dates as everywhere on the site, and short enough for a column: 2026-11-29 10:46."""

DATE_FORMAT = "Y-m-d"
DATETIME_FORMAT = "Y-m-d H:i"
TIME_FORMAT = "H:i"
