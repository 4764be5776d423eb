"""Stop and start what evaluates: pause a queue, drain a host, put the site into maintenance mode."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from submissions.actions.queue import CLUSTERS
from submissions.models import Host, Incident, Pause
from submissions.models.audit import record
from submissions.models.outage import MAINTENANCE, host_scope, queue_scope
from submissions.outages import hosts, pauses


class Command(BaseCommand):
    help = (
        "pause|resume QUEUE, drain|undrain HOST, maintenance-on|maintenance-off, end-quarantine HOST; "
        "`status` lists pauses, incidents and hosts."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("verb", choices=VERBS)
        parser.add_argument("name", nargs="?", default="", help=f"a queue ({', '.join(CLUSTERS.values())}) or a host")
        parser.add_argument("--reason", default="", help="a sentence for those who wait")

    def handle(self, *args: Any, verb: str, name: str, reason: str, **options: Any) -> None:
        self.stdout.write(VERBS[verb](name, reason))


def _queue(name: str) -> str:
    if name not in CLUSTERS.values():
        raise CommandError(f"Name a queue: {', '.join(CLUSTERS.values())}.")
    return queue_scope(name)


def _host(name: str) -> str:
    if not name:
        raise CommandError("Name a host, as WORKER_NAME or its host name has it.")
    return host_scope(name)


def _stop(scope: str, reason: str) -> str:
    pauses.pause(scope, reason=reason)
    return f"{scope}: stopped"


def _start(scope: str) -> str:
    return f"{scope}: {'started again' if pauses.resume(scope) else 'was not stopped'}"


def _end_quarantine(name: str) -> str:
    _host(name)
    if not hosts.end_quarantine(name):
        return f"{name}: was not in quarantine"
    record(None, "end quarantine", Host.objects.get(name=name))
    return f"{name}: takes work again"


def _status() -> str:
    lines = [f"paused\t{pause.scope}\t{pause.since:%Y-%m-%d %H:%M}\t{pause.reason}" for pause in Pause.objects.all()]
    lines += [
        f"incident\t{incident}\t{incident.opened_at:%Y-%m-%d %H:%M}\t{incident.waiting} waiting"
        for incident in Incident.objects.open()
    ]
    lines += [f"host\t{host.name}\t{host.quarantine_reason or host.problem or 'well'}" for host in Host.objects.all()]
    return "\n".join(lines) or "nothing is stopped"


VERBS: dict[str, Any] = {
    "pause": lambda name, reason: _stop(_queue(name), reason),
    "resume": lambda name, reason: _start(_queue(name)),
    "drain": lambda name, reason: _stop(_host(name), reason),
    "undrain": lambda name, reason: _start(_host(name)),
    "end-quarantine": lambda name, reason: _end_quarantine(name),
    "maintenance-on": lambda name, reason: _stop(MAINTENANCE, reason),
    "maintenance-off": lambda name, reason: _start(MAINTENANCE),
    "status": lambda name, reason: _status(),
}
