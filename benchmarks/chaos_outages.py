"""Break what the site stands on, one part after the other; nothing acknowledged may be lost or scored twice.

    make chaos-outages        (all faults)
    python benchmarks/chaos_outages.py --away 600 --only "S3 away under 30 pending"

PostgreSQL, the S3 server and the engine are this run's own. Prints one line a fault:
fault · lost · doubled · by hand · seconds to heal.
"""

import argparse
import shutil
import sys
import tempfile
import traceback
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.harness.servers import free_port
from benchmarks.outages import engine_faults  # noqa: F401  (adds its faults to FAULTS)
from benchmarks.outages.engine import Engine
from benchmarks.outages.faults import FAULTS, Stage
from benchmarks.outages.services import ObjectStore, Postgres
from benchmarks.outages.site import Site


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--away", type=float, default=30.0, help="seconds for which storage is away")
    parser.add_argument("--only", action="append", choices=FAULTS, help="these faults")
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="lunasite-outages-"))
    postgres, objects, engine = Postgres(free_port()), ObjectStore(), Engine()
    bad = 0
    try:
        postgres.start()
        objects.start()
        site = Site(folder, {"DATABASE_URL": postgres.url, **objects.settings, **engine.settings})
        site.prepare()
        site.start_web()
        print("| fault | sent | lost | doubled | by hand | seconds to heal | seen |")
        print("| --- | --- | --- | --- | --- | --- | --- |", flush=True)
        for name in options.only or FAULTS:
            bad += not run(name, Stage(site, postgres, objects, engine, options.away))
    finally:
        if "site" in locals():
            site.close()
        engine.stop()
        objects.stop()
        postgres.stop()
        if bad:
            print(f"The site's log: {keep(folder)}", file=sys.stderr)
        shutil.rmtree(folder, ignore_errors=True)
    return 1 if bad else 0


def keep(folder: Path) -> str:
    """Save the site's log from the folder that is deleted; return where it lies."""
    return shutil.copy(folder / "site.log", Path(tempfile.mkdtemp(prefix="lunasite-outages-log-")) / "site.log")


def run(name: str, stage: Stage) -> bool:
    """Run one fault and print its line; return whether all was well."""
    stage.site.acknowledged.clear()
    by_hand, seconds = 0, float("nan")
    try:
        seconds = FAULTS[name](stage)
    except Exception as error:
        traceback.print_exc()
        by_hand = 1
        stage.notes.append(f"{type(error).__name__}: {error}")
    finally:
        stage.site.stop_workers()
    lost, doubled = stage.site.verdict()
    sent = len(stage.site.acknowledged)
    seen = "; ".join(stage.notes)
    print(f"| {name} | {sent} | {lost} | {doubled} | {by_hand} | {seconds:.1f} | {seen} |", flush=True)
    return not (lost or doubled or by_hand)


if __name__ == "__main__":
    sys.exit(main())
