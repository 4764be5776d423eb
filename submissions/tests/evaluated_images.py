"""Images submitted to the site and evaluated on a real engine by the real worker code."""

import hashlib
import subprocess
import time

from django.core.files.base import ContentFile
from django.core.files.storage import default_storage, storages
from django.utils import timezone

from submissions import actions, tasks
from submissions.models import Case, Submission
from submissions.storage.base import Stored
from submissions.tests.containers import HOSTILE
from submissions.tests.factories import make_member, make_phase

BY_COORDINATE = "float(field(body, 'coordX')) / 100"
SERVE = "from serving import good, serve, field\nserve(lambda body, number: (200, good(body, {})))\n"


def archive_of(bench, program, extra=""):
    """Return the bytes of `docker save` of an image that runs `program`, the image itself removed again."""
    context = bench.folder / f"context-{hashlib.sha256(program.encode()).hexdigest()[:8]}"
    context.mkdir(exist_ok=True)
    (context / "program.py").write_text(program)
    (context / "serving.py").write_text((HOSTILE / "serving.py").read_text())
    # The driver's image is a Python of 30 MB: saved, checked and loaded in a moment.
    command = 'CMD ["/usr/bin/python3", "-S", "-u", "/model/program.py"]'
    lines = [f"FROM {bench.docker_driver}", "COPY . /model", extra, "ENTRYPOINT []", command]
    bench.build("\n".join(lines), context)
    save = ["docker", "--host", bench.address, "save", bench.built[-1]]
    data = subprocess.run(save, capture_output=True, check=True).stdout
    bench.drop()
    return data


def make_lesions(samples=2, **fields):
    """Return a phase over ten lesions (and a few samples) whose x coordinate is the right answer."""
    phase = make_phase(**fields)
    dataset = phase.dataset
    for number in range(samples):
        Case.objects.create(
            dataset=dataset,
            position=100 + number,
            public_id=f"sample{number}",
            truth=0,
            split="sample",
            facts={"point_xyz_mm": [1, 0, 0]},
        )
    key = storages["datasets"].save(
        "scan.mha", ContentFile(b"ObjectType = Image\nPatientName = Eve\nElementDataFile = LOCAL\nvoxels")
    )
    for case in dataset.cases.all():
        Case.objects.filter(pk=case.pk).update(
            image=key,
            facts={"series": f"1.{case.position // 3}", "point_xyz_mm": [10 + 5 * case.position % 90, 2.0, 3.0]},
        )
    return phase


def send(phase, data, **fields):
    """Submit an archive that lies in the storage already."""
    key = default_storage.save(f"submissions/{time.monotonic_ns()}/image.tar", ContentFile(data))
    stored = Stored(key, hashlib.sha256(data).hexdigest(), len(data))
    return actions.submit(
        user=make_member(),
        phase=phase,
        submission_type=Submission.Type.DOCKER,
        stored=stored,
        original_name="image.tar",
        received_at=timezone.now(),
        **fields,
    )


def run(submission):
    actions.evaluate(evaluation_id=submission.latest.pk, worker="tests", run_image=tasks.run_image)
    return submission.evaluations.order_by("-pk")[0]
