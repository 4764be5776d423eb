"""Times in sentences."""

from datetime import UTC, datetime

from django.template.loader import render_to_string


def test_no_space_stands_between_a_time_and_the_full_stop():
    """An editor that ends the file with a line break puts a space into every sentence that ends with a time."""
    shown = render_to_string("_time.html", {"at": datetime(2027, 1, 24, 10, 33, tzinfo=UTC)})
    assert shown.endswith("2027-01-24 10:33 UTC</time>")
