"""Rows of other apps, as staff may see them: without what they must not read."""
