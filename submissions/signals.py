"""The signals to other apps. Each is sent inside the transaction it is about; a receiver's error rolls that back.

evaluation_scored       submission: its current evaluation was scored; the team's row is locked
evaluation_failed       evaluation: it failed for good
weight_changed          submission: hidden, shown again, chosen, or (no longer) a baseline; the team's row is locked
ranking_rules_changed   phase: its metric, tie-breaks, decimals or disclosure; a receiver returns a sentence for staff
news_published          post: a NewsPost that participants can read now; an edit sends nothing
"""

from __future__ import annotations

from django.dispatch import Signal

evaluation_scored = Signal()
evaluation_failed = Signal()
weight_changed = Signal()
ranking_rules_changed = Signal()
news_published = Signal()
