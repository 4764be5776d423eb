"""Start the whole site: web and workers in one process group; Ctrl-C stops all of them."""

from __future__ import annotations

import os
import shutil
import socket
import sys
import tempfile
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser

from lunasite.demo.accounts import close_accounts
from lunasite.env import bracketed
from lunasite.serving.start_lock import one_at_a_time
from lunasite.serving.supervisor import Program, Supervisor
from submissions.queues import CSV_CLUSTER, DOCKER_CLUSTER, ERRANDS_CLUSTER

MANAGE = str(settings.BASE_DIR / "manage.py")


class Command(BaseCommand):
    help = "Migrate, then run web server and workers until Ctrl-C."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--port", type=int, default=8000)
        parser.add_argument("--bind", default="127.0.0.1", help="address to listen on")
        parser.add_argument("--workers", type=int, default=2, help="web processes")
        parser.add_argument("--demo", action="store_true", help="with made-up data and demo accounts")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["demo"] and not settings.DEMO:
            # Restart in demo mode: the settings then keep the demo's data apart from the real site's data.
            os.environ["LUNASITE_DEMO"] = "1"
            os.execv(sys.executable, [sys.executable, *sys.argv])  # noqa: S606
        _check_port_is_free(options["bind"], options["port"])
        with one_at_a_time():
            call_command("migrate", interactive=False, verbosity=0)
        call_command("collectstatic", interactive=False, verbosity=0)
        _tell_address(options["port"])
        if settings.DEMO:
            call_command("seed_demo", port=options["port"])
        elif closed := close_accounts():
            self.stdout.write(f"Closed {closed} demo accounts: they exist in demo mode only.")
        counters = tempfile.mkdtemp(prefix="lunasite-metrics-")
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = counters
        try:
            status = Supervisor(self._programs(options)).run()
        finally:
            shutil.rmtree(counters, ignore_errors=True)
        if status:
            raise SystemExit(status)

    def _programs(self, options: dict[str, Any]) -> list[Program]:
        programs = [_web(options), _work(CSV_CLUSTER), _work(ERRANDS_CLUSTER)]
        if engine_is_configured():
            programs.append(_work(DOCKER_CLUSTER))
        else:
            self.stdout.write("No container engine here: images wait until a worker host with one joins.")
        self.stdout.write(f"lunasite at http://{bracketed(options['bind'])}:{options['port']}/ — Ctrl-C ends it.")
        return programs


def _tell_address(port: int) -> None:
    """Let pages and mails name the port that the site has, unless its SITE_URL was set: what they say is copied."""
    if settings.SITE_URL == "http://localhost:8000":
        os.environ["SITE_URL"] = f"http://localhost:{port}"


def engine_is_configured() -> bool:
    """Return whether images can run from here; a cluster is reached by Slurm's commands, not by a socket."""
    return settings.EVALUATION_ENGINE == "slurm" or bool(settings.DOCKER_HOST) or Path("/var/run/docker.sock").exists()


def _web(options: dict[str, Any]) -> Program:
    command = [
        sys.executable, "-m", "gunicorn", "lunasite.wsgi:application", "--config",
        str(settings.BASE_DIR / "lunasite" / "serving" / "gunicorn.py"),
        "--bind", f"{bracketed(options['bind'])}:{options['port']}", "--workers", str(options["workers"]),
    ]  # fmt: skip
    # Web processes never hold the engine's socket (rule R14).
    return Program("web", command, {"DOCKER_HOST": ""})


def _work(cluster: str) -> Program:
    return Program(f"worker {cluster}", [sys.executable, MANAGE, "work", cluster], {"Q_CLUSTER_NAME": cluster})


def _check_port_is_free(bind: str, port: int) -> None:
    """Raise CommandError with the remedy if the port is taken, before the web server fails in a loop."""
    if not 0 < port < 65536:
        raise CommandError(f"Port {port} is none; choose 1 to 65535 with --port.")
    host = bracketed(bind).strip("[]")
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise CommandError(
                f"Port {port} is taken ({error.strerror}); choose another: --port N, or make demo PORT=N."
            ) from error
