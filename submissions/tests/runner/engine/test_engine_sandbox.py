"""What the sandbox keeps in and out, on the real engine."""

import base64
import dataclasses
import io
import json
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from unittest.mock import ANY

import pytest

from submissions.intake.image.scan import scan_archive
from submissions.kinds import KINDS
from submissions.runner.attempt import attempt_on
from submissions.runner.base import AttemptTaken, EngineFault, RunCallbacks, RunCancelled, RunCase, RunError
from submissions.runner.engine.docker import DockerEngine
from submissions.runner.engine.podman import TMPFS_MARK
from submissions.runner.engine.seccomp import seccomp_profile
from submissions.runner.host.disk import _asked, engine_free_bytes
from submissions.runner.host.driver_image import driver_image
from submissions.runner.host.selftest import self_test
from submissions.runner.sandbox import holder_spec
from submissions.tests.containers import HOSTILE, TEST_LIMITS, on_each_engine
from submissions.tests.image_archives import config, docker_archive, layer

pytestmark = pytest.mark.engine
RECORDS = """
import json, socket
from binascii import b2a_base64
from serving import good, message, read_request

def talk(sock):
    while True:
        head, body = read_request(sock)
        if not head:
            return
        print(json.dumps([head, b2a_base64(body, newline=False).decode()]), flush=True)
        sock.sendall(message(200, good(body) if head.startswith("POST") else b"{}"))

listener = socket.create_server(("0.0.0.0", 8000))
while True:
    talk(listener.accept()[0])
"""
SERVE = "from serving import serve\nserve()\n"


def build(bench, program, *lines):
    context = bench.folder / f"context-{len(bench.built)}"
    context.mkdir(exist_ok=True)
    (context / "program.py").write_text(program)
    (context / "serving.py").write_text((HOSTILE / "serving.py").read_text())
    command = 'CMD ["/usr/bin/python3", "-S", "-u", "/model/program.py"]'
    text = "\n".join([f"FROM {bench.host.driver_image}", "COPY . /model", *lines, "ENTRYPOINT []", command])
    return bench.build(text, context)


@pytest.fixture(scope="module")
def serving(bench):
    return build(bench, SERVE)


@pytest.fixture(scope="module")
def recording(bench):
    return build(bench, RECORDS)


@contextmanager
def canary(kind=socket.SOCK_STREAM):
    """Listen on every address of this host; the list holds who came."""
    hits, sock = [], socket.socket(socket.AF_INET, kind)
    sock.bind(("0.0.0.0", 0))
    if kind == socket.SOCK_STREAM:
        sock.listen()

    def watch():
        while True:
            try:
                hits.append(sock.accept() if kind == socket.SOCK_STREAM else sock.recvfrom(100))
            except OSError:
                return

    threading.Thread(target=watch, daemon=True).start()
    yield sock.getsockname()[1], hits
    sock.shutdown(socket.SHUT_RDWR) if kind == socket.SOCK_STREAM else None
    sock.close()


def addresses_of_this_host(bench):
    """Return the addresses that a container on a bridge could reach this host by."""
    if bench.is_podman:
        return [*socket.gethostbyname_ex(socket.gethostname())[2], "10.88.0.1", "172.17.0.1"]
    listed = bench.docker("network", "inspect", "bridge", "-f", "{{range .IPAM.Config}}{{.Gateway}} {{end}}").split()
    return [*listed, *socket.gethostbyname_ex(socket.gethostname())[2], "172.17.0.1"]


def received(bench, image_id, **changes):
    """Run the recording model; return (its answers' result, the heads and bodies it received)."""
    result = bench.run(bench.request(image_id, **changes))
    lines = [json.loads(line) for line in result.logs.splitlines() if line.startswith("[")]
    return result, [(head, base64.b64decode(body)) for head, body in lines if head.startswith("POST")]


def field(body, name):
    return body.split(b'name="%b"\r\n\r\n' % name.encode())[1].split(b"\r\n")[0].decode()


def test_what_a_container_receives_carries_no_label_bearing_number(bench, recording):
    result, requests = received(bench, recording, cases=bench.cases(8))
    given = {case.case_id: case for case in bench.cases(8)}

    sent_order = [field(body, "coordX") for _, body in requests]
    assert sorted(sent_order, key=float) == [str(case.facts["point_xyz_mm"][0]) for case in given.values()]
    assert sent_order != sorted(sent_order, key=float)
    assert len({field(body, "lesionID") for _, body in requests}) == 8
    assert len({field(body, "seriesInstanceUID") for _, body in requests}) == 8
    for head, body in requests:
        text = head.encode() + body
        assert not any(case.case_id.encode() in text for case in given.values())
        assert not any(f'"{case.series_key}"'.encode() in text for case in given.values())
        assert b"label" not in text
        assert int(field(body, "lesionID")) not in range(8)
    assert len(result.answers) == 8


def test_another_attempt_sends_another_order_and_other_names(bench, recording):
    runs = [received(bench, recording, seed=seed, cases=bench.cases(8))[1] for seed in (1, 2)]
    orders = [[field(body, "coordX") for _, body in requests] for requests in runs]
    names = [{field(body, "lesionID") for _, body in requests} for requests in runs]
    assert sorted(orders[0]) == sorted(orders[1])
    assert orders[0] != orders[1]
    assert names[0].isdisjoint(names[1])


def test_adapter_and_endpoint_reach_the_container(bench, recording):
    adapter = {"field_names": "csv", "file_field": "image_file", "bearer_token": "abc", "omit": ["gender"]}
    code, outcome, _ = bench.verdict(bench.request(recording, adapter=adapter, endpoint="/my/path"))
    lines = [json.loads(line) for line in outcome.logs.splitlines() if line.startswith("[")]
    head, body = next((head, base64.b64decode(body)) for head, body in lines if head.startswith("POST"))
    assert head.startswith("POST /my/path HTTP/1.1")
    assert "Authorization: Bearer abc" in head
    assert b'name="CoordX"' in body
    assert b'name="image_file"; filename="2.25.' in body
    assert b"Gender" not in body
    assert code in (None, "BAD_PREDICTION")


@on_each_engine
def test_a_model_reaches_neither_the_host_nor_a_resolver(bench, serving):
    program = (HOSTILE / "reaches_out" / "program.py").read_text()
    with canary() as (port, hits), canary(socket.SOCK_DGRAM) as (_, datagrams):
        hosts = " ".join(addresses_of_this_host(bench))
        image_id = build(bench, program, f'ENV CANARY={port} HOSTS="{hosts}"')
        result = bench.run(bench.request(image_id))
        assert set(result.answers.values()) == {(0.25,)}
        assert (hits, datagrams) == ([], [])


def test_a_redirect_is_never_followed(bench):
    with canary() as (port, hits):
        location = f"Location: http://172.17.0.1:{port}/\\r\\n"
        reply = f"lambda sock, body, n: sock.sendall(message(307, b'', '{location}'))"
        program = f"from serving import message, serve_raw\nserve_raw({reply})\n"
        code, fault, _ = bench.verdict(bench.request(build(bench, program)))
        assert (code, hits) == ("BAD_RESPONSE", [])
        assert "3xx" in fault.note


def test_two_models_do_not_see_each_other(bench, serving):
    program = (HOSTILE / "scans_ports" / "program.py").read_text()
    scanning = build(bench, program)
    other = bench.engine.twin()
    results = {}

    def run(name, image_id, host):
        request = dataclasses.replace(bench.request(image_id), evaluation=name)
        results[name] = bench.__class__(host, bench.folder / name).run(request)

    hosts = [bench.host, dataclasses.replace(bench.host, engine=other)]
    threads = [
        threading.Thread(target=run, args=(name, scanning, host))
        for name, host in zip(("one", "two"), hosts, strict=True)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    other.close()
    assert {answer for result in results.values() for answer in result.answers.values()} == {(0.25,)}


def in_podmans_own_words(bench, container_id):
    api = bench.engine._client.api
    return api.get(f"{api.base_url}/v4.0.0/libpod/containers/{container_id}/json").json()["HostConfig"]


def assert_bound_in_the_engines_words(bench, host):
    if not bench.is_podman:
        assert host["CapDrop"] == ["ALL"]
        assert host["SecurityOpt"] == ["no-new-privileges", f"seccomp={seccomp_profile()}"]
        assert host["LogConfig"]["Config"] == {"max-size": "1m", "max-file": "1", "compress": "false"}
        return
    # Podman names what is left out of its own set; that nothing is left is for the self-test to see.
    assert {f"CAP_{name}" for name in ("CHOWN", "DAC_OVERRIDE", "SETUID", "SETGID", "KILL")} <= set(host["CapDrop"])
    assert not host["CapAdd"]
    assert host["SecurityOpt"] == ["no-new-privileges"]
    assert (bench.folder / "seccomp.json").read_text() == seccomp_profile()
    assert host["Ulimits"][:2] == [
        {"Name": "RLIMIT_NOFILE", "Soft": 4096, "Hard": 4096},
        {"Name": "RLIMIT_CORE", "Soft": 0, "Hard": 0},
    ]
    assert host["LogConfig"] == {"Type": "k8s-file", "Size": "1.049MB"} | {"Config": None, "Path": ANY, "Tag": ""}


def is_its_own(mount, bench):
    """Say whether a mount of a model holds nothing but what the model itself writes, or our name servers."""
    if not bench.is_podman:
        return mount["Type"] == "tmpfs"
    is_folder = f"luna-{bench.instance}-" in mount["Source"] and "-root-0/_data/" in mount["Source"]
    return TMPFS_MARK in mount.get("Name", "") or is_folder or mount["Destination"] == "/etc/resolv.conf"


@on_each_engine
def test_while_it_runs_the_engine_confirms_every_flag(bench, serving):
    seen = {}

    def look():
        for container in bench.engine.own_containers({"luna.instance": bench.instance}):
            role = container.labels["luna.role"]
            seen[role] = bench.engine.inspect(container.container_id)
            if bench.is_podman:
                seen[role]["HostConfig"] = in_podmans_own_words(bench, container.container_id)

    networks_before = bench.docker("network", "ls", "-q")
    bench.verdict(bench.request(serving, cases=bench.cases(40)), look)
    assert seen.keys() == {"holder", "model", "driver"}
    for role, attrs in seen.items():
        host = attrs["HostConfig"]
        assert host["ReadonlyRootfs"], role
        assert host["Memory"] == host["MemorySwap"] > 0
        assert host["PidsLimit"] > 0
        assert not host["Privileged"]
        assert not host["PortBindings"]
        assert attrs["Config"]["User"] == "65534:65534"
        assert_bound_in_the_engines_words(bench, host)
        assert set(attrs["NetworkSettings"]["Networks"]) <= {"none"}
    model = seen["model"]
    assert model["Image"] == serving
    assert [mount for mount in model["Mounts"] if not is_its_own(mount, bench)] == []
    assert all(mount["RW"] is False for mount in seen["driver"]["Mounts"])
    assert bench.docker("network", "ls", "-q") == networks_before


def test_cpu_time_is_limited(bench):
    spin = "threading.Thread(target=spin, daemon=True).start()"
    program = f"import threading\ndef spin():\n    while True:\n        pass\nfor _ in range(4):\n    {spin}\n"
    throttled = []

    def look():
        for container in bench.engine.own_containers({"luna.instance": bench.instance, "luna.role": "model"}):
            stats = json.loads(bench.docker("inspect", container.container_id))[0]["HostConfig"]
            throttled.append(stats["NanoCpus"])

    image_id = build(bench, program + SERVE)
    request = bench.request(image_id, limits=dataclasses.replace(TEST_LIMITS, cpus=0.5))
    code, outcome, _ = bench.verdict(request, look)
    assert code is None, outcome
    assert set(throttled) == {500_000_000}


@on_each_engine
def test_a_name_that_is_taken_means_another_worker_runs_this_attempt(bench, serving):
    request = bench.request(serving)
    with attempt_on(bench.engine) as attempt:
        labels = bench.host.labels(request.evaluation, request.attempt, 60)
        attempt.create(holder_spec(labels, bench.host.driver_image))
        with pytest.raises(AttemptTaken):
            bench.run(request)
    assert bench.left_behind() == []


@on_each_engine
def test_cancel_stops_a_run_at_once(bench):
    image_id = build(bench, "import time\ntime.sleep(3600)\n")
    begun, asked = time.monotonic(), []

    def is_cancelled():
        if time.monotonic() - begun > 2:
            asked.append(time.monotonic())
        return bool(asked)

    with pytest.raises(RunCancelled):
        bench.run(bench.request(image_id), RunCallbacks(is_cancelled=is_cancelled))
    assert time.monotonic() - asked[0] < 3
    assert bench.left_behind() == []


@on_each_engine
def test_a_crash_of_the_worker_code_leaves_no_container(bench, serving):
    def crash(case_id, answer, latency_s):
        raise SystemExit("the queue's time-out")

    with pytest.raises(SystemExit):
        bench.run(bench.request(serving), RunCallbacks(answered=crash))
    assert bench.left_behind() == []


def test_an_engine_that_hangs_is_given_up(tmp_path):
    path = str(tmp_path / "engine.sock")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        begun = time.monotonic()
        with pytest.raises(EngineFault) as caught:
            DockerEngine(f"unix://{path}", timeout_s=0.5)
        assert time.monotonic() - begun < 5
        assert caught.value.code == "SYSTEM_ENGINE"


def test_a_full_engine_disk_is_our_fault(bench):
    from submissions.runner.engine.errors import engine_fault

    assert engine_fault(RuntimeError("write /var/lib/x: no space left on device")).code == "SYSTEM_DISK"
    with pytest.raises(RunError):
        bench.engine.load([b"not an archive"])


@on_each_engine
def test_the_self_test_passes_here_with_the_production_flags(bench):
    failed = [check for check in self_test(bench.host, bench.folder) if not check.ok]
    assert failed == []
    assert bench.left_behind() == []


def test_free_disk_is_the_same_from_outside_and_from_a_container(bench):
    outside, inside = engine_free_bytes(bench.host), _asked(bench.host)
    assert abs(outside - inside) < 2 << 30


def test_the_driver_image_is_the_same_whichever_process_builds_it():
    code = "from submissions.runner.host.driver_image import driver_image; print(driver_image().image_id)"
    elsewhere = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert elsewhere.stdout.strip() == driver_image().image_id


@on_each_engine
def test_an_upload_never_moves_a_tag_that_is_there(bench, serving):
    helper = f"{bench.instance}-helper:pinned"
    bench.engine.tag(bench.host.driver_image, *helper.split(":"))
    from submissions.intake.image.rewrite import rewritten
    from submissions.intake.image.scan import scan_archive

    bench.docker("tag", serving, helper)
    path = bench.folder / "evil.tar"
    path.write_bytes(
        subprocess.run(["docker", "--host", bench.address, "save", helper], check=True, capture_output=True).stdout
    )
    bench.engine.tag(bench.host.driver_image, *helper.split(":"))

    facts = scan_archive(path)
    bench.engine.load(rewritten(path, facts))

    assert facts.image_id == serving
    assert bench.engine.image(helper).image_id == bench.host.driver_image
    bench.engine.remove_image(helper)


@pytest.mark.parametrize(
    "requested", [{"WorkingDir": "/opt/a"}, {"Volumes": {"/opt/a": {}}}], ids=["workdir", "volume"]
)
def test_a_file_where_a_folder_is_asked_for_is_the_participants(bench, requested):
    contents = layer("opt/a")
    archive = docker_archive([contents], image=config([contents], **requested))
    image_id = scan_archive(io.BytesIO(archive)).image_id
    bench.engine.load([archive])
    try:
        assert bench.verdict(bench.request(image_id))[0] == "CONTAINER_START"
    finally:
        bench.engine.remove_image(image_id)
    assert bench.left_behind() == []


def test_a_slice_phase_posts_pictures_to_predict(bench):
    program = """
import json
from serving import message, read_request
import socket

listener = socket.create_server(("0.0.0.0", 8000))
names = ["adenocarcinoma", "large_cell_carcinoma", "squamous_cell_carcinoma", "normal"]
while True:
    sock, _ = listener.accept()
    while True:
        head, body = read_request(sock)
        if not head:
            break
        is_right = b"Content-Type: image/png" in body and b"seriesInstanceUID" not in body
        good = head.startswith("POST /predict ") and is_right
        values = [0.7, 0.1, 0.1, 0.1] if good else [0.1, 0.1, 0.1, 0.7]
        answer = {"pred_index": 0, "probabilities": dict(zip(names, values))}
        sock.sendall(message(200, json.dumps(answer).encode()))
"""
    image = bench.folder / "cases" / "slice.png"
    bench.cases(1)
    image.write_bytes(b"\x89PNG pixels")
    image.chmod(0o644)
    cases = [RunCase(str(number), image, str(number)) for number in range(3)]
    result = bench.run(bench.request(build(bench, program), kind=KINDS["slice"], cases=cases))
    assert set(result.answers.values()) == {(0.7, 0.1, 0.1, 0.1)}
