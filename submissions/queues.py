"""The names of the queues, as `manage.py work` and django-q2's settings have them."""

from __future__ import annotations

CSV_CLUSTER = "evaluations"
# Images have their own workers, so that a night of containers never delays a CSV.
DOCKER_CLUSTER = "containers"
# What waits for others' servers or runs for hours: mails, webhooks, imports of datasets. So a dead address or a long
# import never holds up the scoring.
ERRANDS_CLUSTER = "errands"
