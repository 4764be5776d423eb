"""Formats of the site's one language."""
