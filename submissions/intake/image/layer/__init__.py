"""Inspect the tar of one layer while its bytes stream through."""
