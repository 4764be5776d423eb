"""Files that are sent: tables as CSV, and ranges of a large file."""
