"""Paired comparisons: of two entries for a page, and of every two of a board for its rank intervals."""

from __future__ import annotations

from .cases import NotComparable
from .two_entries import MAX_CHOICES, comparable, compare, remembered_comparison

__all__ = ["MAX_CHOICES", "NotComparable", "comparable", "compare", "remembered_comparison"]
