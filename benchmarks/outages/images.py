"""An image that takes its time, and a phase to send it to."""

import gzip
import secrets
import shutil
from pathlib import Path

from benchmarks.outages.engine import Engine

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = """
import time
from serving import field, good, serve
serve(lambda body, n: (time.sleep(0.5), (200, good(body, float(field(body, "coordX")) / 100)))[1])
"""


def archive_for(engine: Engine, folder: Path) -> bytes:
    """Return an image's archive, as small as an image with a Python is; the image is not left on the engine."""
    from submissions.tests.containers import open_to_all
    from submissions.worker import engine_host

    driver = engine_host.build_driver(engine_host.connect())
    context = folder / "context"
    context.mkdir(exist_ok=True)
    (context / "program.py").write_text(PROGRAM)
    shutil.copy(ROOT / "submissions/tests/hostile/serving.py", context)
    command = '["/usr/bin/python3", "-S", "-u", "/model/program.py"]'
    (context / "Dockerfile").write_text(f"FROM {driver}\nCOPY . /model\nENTRYPOINT []\nCMD {command}\n")
    open_to_all(context)
    tag = f"outages-{secrets.token_hex(4)}"
    engine.docker("build", "-q", "--network", "none", "-t", tag, str(context))
    data = engine.docker("save", tag)
    engine.docker("rmi", tag)
    return gzip.compress(data, 1)


def make_image_phase() -> str:
    """Return the slug of a phase over ten cases, each image's x coordinate being its answer."""
    from django.core.files.base import ContentFile
    from django.core.files.storage import storages

    from submissions.models import Case
    from submissions.tests.factories import make_phase

    phase = make_phase(cpus=1, memory_mib=256, startup_s=60)
    key = storages["datasets"].save("scan.mha", ContentFile(b"ElementDataFile = LOCAL\nvoxels"))
    for case in phase.dataset.cases.all():
        facts = {"point_xyz_mm": [10 + case.position, 2.0, 3.0]}
        Case.objects.filter(pk=case.pk).update(image=key, facts=facts)
    return phase.slug
