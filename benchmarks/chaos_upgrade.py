"""Upgrade a site of the last release under load: nothing acknowledged is lost or scored twice.

    python benchmarks/chaos_upgrade.py [--from v0.2.0] [--no-drain]

Starts web and worker of the release (its tag must be in this clone) on a PostgreSQL and an S3 server of this run's own,
sends CSVs all the time, and follows docs/operations.md: stop the worker, migrate while the old web answers, start the
new web, then the new worker. --no-drain leaves the old worker running until the new web answers.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.harness.servers import free_port
from benchmarks.outages.services import ObjectStore, Postgres
from benchmarks.outages.site import ROOT, Site, end, wait_until

# Run by the old code: its models make the member, the token and the phase.
FILL = """
import django, json; django.setup()
from knox.models import get_token_model
from submissions.tests import factories
user = factories.make_member("before")
print(json.dumps({"token": get_token_model().objects.create(user=user)[1], "phase": factories.make_phase().slug}))
"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--from", dest="tag", default="v0.2.0", help="the release that runs before")
    parser.add_argument("--no-drain", action="store_true", help="let the old worker run on during the migration")
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="lunasite-upgrade-"))
    postgres, objects = Postgres(free_port()), ObjectStore()
    site = None
    try:
        old = checked_out(options.tag, folder / "old")
        postgres.start()
        objects.start()
        site = Site(folder, {"DATABASE_URL": postgres.url, **objects.settings})
        return upgrade(site, old, options.no_drain)
    finally:
        if site is not None:
            site.close()
        objects.stop()
        postgres.stop()
        shutil.rmtree(folder, ignore_errors=True)


def checked_out(tag: str, folder: Path) -> Path:
    folder.mkdir()
    archive = subprocess.run(["git", "archive", tag], cwd=ROOT, capture_output=True)
    if archive.returncode:
        sys.exit(f"The release {tag} is not in this clone: git fetch --tags")
    subprocess.run(["tar", "-x", "-C", str(folder)], input=archive.stdout, check=True)
    return folder


def upgrade(site: Site, old: Path, no_drain: bool) -> int:
    begin_with(site, old)
    with site.load(0.2):
        time.sleep(5)
        before = len(site.acknowledged)
        if not no_drain:
            end(site.workers.pop())
        started = time.monotonic()
        manage(site, ROOT, "migrate", "--verbosity", "0")
        manage(site, ROOT, "collectstatic", "--noinput", "--verbosity", "0")
        migrated_s = time.monotonic() - started
        site.code = ROOT
        end(site.web)
        stopped = time.monotonic()
        site.start_web()
        away_s = time.monotonic() - stopped
        if no_drain:
            end(site.workers.pop())
        site.start_worker()
        time.sleep(5)
    return tell(site, before, migrated_s, away_s)


def begin_with(site: Site, old: Path) -> None:
    """Start the release on an empty database, with a backlog for its worker."""
    os.environ.update(site.env)
    import django

    django.setup()  # the new code in this process: it makes the files that are sent, and counts at the end
    site.code = old
    manage(site, old, "migrate", "--verbosity", "0")
    manage(site, old, "collectstatic", "--noinput", "--verbosity", "0")
    manage(site, old, "provision_storage", "--verbosity", "0")
    made = json.loads(run_in(site, old, [sys.executable, "-c", FILL]).splitlines()[-1])
    site.token, site.phase = made["token"], made["phase"]
    site.start_web("/health")  # 0.2 knows no /live
    site.submit_many(30)
    site.start_worker()


def tell(site: Site, before: int, migrated_s: float, away_s: float) -> int:
    """Count with the new code what was acknowledged by either."""
    seconds = site.wait_until_done(120)
    manage(site, ROOT, "rebuild_standings")
    wait_until(lambda: site.get(f"/leaderboards/{site.phase}/")[0] == 200, 10, "no board")
    lost, doubled = site.verdict()
    print("| acknowledged before | after | lost | doubled | seconds to migrate | without a page | to the last score |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    print(f"| {before} | {len(site.acknowledged) - before} | {lost} | {doubled} | {migrated_s:.1f} | {away_s:.1f} | "
          f"{seconds:.1f} |")  # fmt: skip
    return 1 if lost or doubled else 0


def manage(site: Site, code: Path, *arguments: str) -> str:
    return run_in(site, code, [sys.executable, "manage.py", *arguments])


def run_in(site: Site, code: Path, command: list[str]) -> str:
    done = subprocess.run(command, cwd=code, env={**os.environ, **site.env}, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{command[1:]}: {done.stderr[-3000:]}")
    return done.stdout


if __name__ == "__main__":
    sys.exit(main())
