"""Containers: P8, P9, P16, P17 and memory, against the same images driven by hand.

    make bench-containers
    PYTHONPATH=. python benchmarks/containers/bench_containers.py --rounds 5 --gigabytes 1.9 --only P16

The reference is `docker load`, `docker run -p 127.0.0.1::8000` and a plain keep-alive loop.
"""

import argparse
import http.client
import io
import os
import resource
import secrets
import signal
import statistics
import sys
import tarfile
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from benchmarks.containers.images import CASES, PATCH_BYTES, Bench, docker
from benchmarks.harness.results import Result, show

BOUNDARY = "plainloop"


def by_hand(image_id):
    """Return (seconds from docker run to the first answer, seconds of a plain keep-alive loop)."""
    name, started = f"bench-{secrets.token_hex(4)}", time.perf_counter()
    docker("run", "-d", "--name", name, "-p", "127.0.0.1::8000", image_id)
    try:
        port = int(docker("port", name, "8000").splitlines()[0].rpartition(":")[2])
        connection = http.client.HTTPConnection("127.0.0.1", port)
        while True:
            try:
                connection.request("GET", "/health")
                connection.getresponse().read()
                break
            except (OSError, http.client.HTTPException):
                connection.close()
                time.sleep(0.01)
        start = time.perf_counter() - started
        started = time.perf_counter()
        for number in range(CASES):
            connection.request("POST", "/", form(number), {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"})
            connection.getresponse().read()
        return start, time.perf_counter() - started
    finally:
        docker("rm", "-f", name)


def form(number):
    fields = {"seriesInstanceUID": "1.2", "lesionID": "1", "coordX": str(number)}
    text = "".join(
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in fields.items()
    )
    head = f'{text}--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="x.mha"\r\n\r\n'
    return head.encode() + bytes(PATCH_BYTES) + f"\r\n--{BOUNDARY}--\r\n".encode()


def plain_load(path):
    started = time.perf_counter()
    docker("load", "-i", str(path))
    return time.perf_counter() - started


def warm(bench, rounds, pause=0.005):
    """P8, image loaded: whole evaluation against start + loop by hand."""
    path, image_id = bench.archive(pause)
    submission = bench.submit(bench.phase(), path)
    bench.evaluate(submission)
    ours, theirs = [], []
    for _ in range(rounds):
        ours.append(bench.evaluate(submission)[0])
        theirs.append(sum(by_hand(image_id)))
    mine, reference = statistics.median(ours), statistics.median(theirs)
    bench.forget(image_id)
    figures = f"{CASES} × {pause * 1000:g} ms: {mine:.2f} s; by hand {reference:.2f} s"
    return Result(
        "P8", "evaluation, image loaded: (wall − 1 s) / (start + loop)", (mine - 1) / reference, 1.3, figures, True
    )


def cold(bench, rounds, pause=0.025):
    """P8, image not loaded: check, load, run, score against load + start + loop by hand."""
    path, image_id = bench.archive(pause)
    phase, ours, theirs = bench.phase(), [], []
    for _ in range(rounds):
        bench.forget(image_id)
        ours.append(bench.evaluate(bench.submit(phase, path))[0])
        bench.forget(image_id)
        theirs.append(plain_load(path) + sum(by_hand(image_id)))
    mine, reference = statistics.median(ours), statistics.median(theirs)
    bench.forget(image_id)
    figures = f"{CASES} × {pause * 1000:g} ms: {mine:.2f} s; by hand {reference:.2f} s"
    return Result(
        "P8", "evaluation, cold: (wall − 1 s) / (load + start + loop)", (mine - 1) / reference, 1.1, figures, True
    )


def readiness(bench, rounds):
    """P9: how soon after it listens a model is noticed, and what a call costs that takes no time."""
    from submissions.kinds import KINDS
    from submissions.runner.attempt import Host
    from submissions.runner.base import Limits, RunCallbacks, RunCase, RunRequest
    from submissions.runner.contracts.http import HttpRunner

    path, image_id = bench.archive(0)
    docker("load", "-i", str(path))
    root = bench.folder / "patch"
    root.mkdir()
    image = root / "scan.mha"
    image.write_bytes(os.urandom(PATCH_BYTES))
    for each in (root, image):
        each.chmod(0o755)
    host = Host(bench.engine, bench.driver, "luna", bench.instance)
    cases = [RunCase(str(number), image, str(number), {"point_xyz_mm": [1.0, 2.0, 3.0]}) for number in range(CASES)]
    noticed, calls = [], []
    for number in range(rounds):
        ready = []
        request = RunRequest(
            f"ready{number}", 1, image_id, "http", cases, Limits(memory_mib=256, cpus=2), KINDS["lesion"], root,
            bench.folder / "run", number,
        )  # fmt: skip
        result = HttpRunner(host).run(
            request, RunCallbacks(stage=lambda name, ready=ready: ready.append(time.monotonic()))
        )
        noticed.append(ready[0] - float(result.logs.split()[0]))
        calls.append(statistics.median(result.latency_s.values()))
    bench.forget(image_id)
    soon, call = statistics.median(noticed), statistics.median(calls)
    return [
        Result("P9", "seconds from listening to noticed", soon, 0.1, f"worst {max(noticed):.3f} s", True),
        Result(
            "P9",
            "milliseconds a kept-alive call of 0.5 MB",
            1000 * call,
            2,
            f"worst round {1000 * max(calls):.2f} ms",
            True,
        ),
    ]


def load_ratio(bench, rounds, gigabytes):
    """Check, rewrite and load of a large archive against a plain docker load."""
    from submissions.intake.image.rewrite import rewritten
    from submissions.intake.image.scan import scan_archive

    path, image_id = bench.archive(0, int(gigabytes * (1 << 30)))
    ours, theirs, scans = [], [], []
    for _ in range(rounds):
        bench.forget(image_id)
        started = time.perf_counter()
        facts = scan_archive(path)
        scans.append(time.perf_counter() - started)
        bench.engine.load(rewritten(path, facts))
        ours.append(time.perf_counter() - started)
        bench.forget(image_id)
        theirs.append(plain_load(path))
    bench.forget(image_id)
    mine, reference = statistics.median(ours), statistics.median(theirs)
    size, check = path.stat().st_size / 1e9, statistics.median(scans)
    figures = f"{size:.2f} GB: {mine:.1f} s (check {check:.1f} s); docker load {reference:.1f} s"
    path.unlink()
    return Result("P16", "check + rewrite + load against docker load", mine / reference, 1.35, figures, True)


def new_weights(bench, rounds):
    """P16: a model archive of 50 MB on an image the engine has: from the POST to the first call of the run."""
    from datetime import datetime

    from django.core.files.uploadedfile import SimpleUploadedFile
    from django.test import Client

    path, image_id = bench.archive(0)
    known = bench.submit(bench.phase(), path)
    bench.evaluate(known)
    client = Client(SERVER_NAME="localhost")  # the test client's own name is not among ALLOWED_HOSTS
    client.force_login(known.user)
    seconds = []
    for _ in range(rounds):
        weights = weights_archive(50_000_000)
        started = time.time()
        fields = {"phase": known.phase.slug, "image": known.pk}
        fields["model_archive"] = SimpleUploadedFile("model.tar.gz", weights)
        answer = client.post("/api/v1/submissions/docker", fields)
        assert answer.status_code == 201, answer.content
        timings = bench.evaluate(type(known).objects.get(pk=answer.json()["id"]))[1]
        seconds.append(datetime.fromisoformat(timings["predict_started_at"]).timestamp() - started)
    bench.forget(image_id)
    figures = f"worst {max(seconds):.1f} s; without the worker's look at the queue, which is P12"
    return Result(
        "P16", "50 MB of weights on a known image: POST to running, s", statistics.median(seconds), 5, figures, True
    )


def weights_archive(size_bytes):
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz", compresslevel=1) as archive:
        member = tarfile.TarInfo("weights.bin")
        member.size = size_bytes
        archive.addfile(member, io.BytesIO(os.urandom(size_bytes)))
    return stream.getvalue()


BATCH_CTS = 12
BATCH_PROGRAM = """
import json, time
used = time.process_time()
while time.process_time() - used < {pause}:
    pass
points = json.load(open("/input/nodule-locations.json"))["points"]
for point in points:
    point["probability"] = 0.5
with open("/output/lung-nodule-malginancy-likelihoods.json", "w") as file:
    json.dump({"points": points}, file)
"""


def batch(bench, rounds, pause=2.0):
    """P17: twelve CTs of one core each against the same containers by hand, as many at once as there are cores."""
    from submissions.kinds import KINDS
    from submissions.runner.attempt import Host
    from submissions.runner.base import Call, Limits, RunCallbacks, RunCase, RunRequest
    from submissions.runner.contracts.batch import BatchRunner, lanes, write_input

    path, image_id = bench.archive(pause, program=BATCH_PROGRAM)
    docker("load", "-i", str(path))
    root = bench.folder / "cts"
    root.mkdir()
    cases = []
    for number in range(BATCH_CTS):
        scan = root / f"{number}.mha"
        scan.write_bytes(os.urandom(PATCH_BYTES))
        cases.append(RunCase(str(number), scan, str(number), {"point_xyz_mm": [1.0, 2.0, 3.0]}))
    for each in (root, *root.iterdir()):
        each.chmod(0o755)
    host = Host(bench.engine, bench.driver, "luna", bench.instance)
    limits = Limits(memory_mib=256, cpus=1, root_mib=64)
    at_once = lanes(limits, bench.engine)

    def one_by_hand(number):
        folder = bench.folder / f"hand-{number}"
        write_input(folder / "input", [Call(number, cases[number], "1.2", 1)], KINDS["lesion"], {})
        (folder / "output").mkdir(exist_ok=True)
        (folder / "output").chmod(0o777)
        docker(
            "run", "--rm", "--cpus", "1", "--memory", "256m", "--network", "none", "--user", "65534:65534",
            "-v", f"{folder}/input:/input:ro", "-v", f"{folder}/output:/output", image_id,
        )  # fmt: skip

    ours, theirs = [], []
    for number in range(rounds):
        request = RunRequest(
            f"batch{number}", 1, image_id, "batch", cases, limits, KINDS["lesion"], root, bench.folder / "run", number
        )
        started = time.perf_counter()
        result = BatchRunner(host).run(request, RunCallbacks())
        ours.append(time.perf_counter() - started)
        assert len(result.answers) == BATCH_CTS
        started = time.perf_counter()
        with ThreadPoolExecutor(at_once) as pool:
            list(pool.map(one_by_hand, range(BATCH_CTS)))
        theirs.append(time.perf_counter() - started)
    bench.forget(image_id)
    mine, reference = statistics.median(ours), statistics.median(theirs)
    figures = f"{BATCH_CTS} × {pause:g} s, {at_once} at once: {mine:.1f} s; by hand {reference:.1f} s"
    return Result("P17", "batch contract against its containers by hand", mine / reference, 1.15, figures, True)


# Each part returns a list of results; load_ratio is last, since it fills the disk.
PARTS = {
    "P8": [lambda bench, options: [warm(bench, options.rounds), cold(bench, options.rounds)]],
    "P9": [lambda bench, options: readiness(bench, options.rounds)],
    "P17": [lambda bench, options: [batch(bench, options.rounds)]],
    "P16": [
        lambda bench, options: [new_weights(bench, options.rounds)],
        lambda bench, options: [load_ratio(bench, options.rounds, options.gigabytes)],
    ],
}


def peak_mb():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--gigabytes", type=float, default=1.9)
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS), metavar="TARGET")
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="bench-containers-"))
    folder.chmod(0o755)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that it cleans up behind it
    bench = Bench(folder)
    idle = peak_mb()
    try:
        results = [result for target in options.only for part in PARTS[target] for result in part(bench, options)]
        grown = peak_mb() - idle
        results.append(Result("issue 3", "worker memory above idle, MB", grown, 300, f"idle {idle:.0f} MB", True))
    finally:
        bench.close()
    show("Containers", results)


if __name__ == "__main__":
    main()
