"""What the runner decides without an engine: names, flags, verdicts, answers."""

import io
import json
import tarfile
from itertools import groupby, pairwise
from pathlib import Path

import pytest

from submissions.kinds import KINDS
from submissions.runner.base import Call, ContainerFault, Limits, RunCase, RunRequest
from submissions.runner.batch import answer_in, clinical_information, points_of_interest, read_points, write_input
from submissions.runner.container_options import container_options
from submissions.runner.engine_answers import ContainerState, EngineImage
from submissions.runner.engine_words import loaded_id, readable, start_fault
from submissions.runner.http import plan_of, read_body
from submissions.runner.neutral import neutral_calls
from submissions.runner.sandbox import (
    Labels,
    OutputVolume,
    driver_spec,
    holder_spec,
    model_environment,
    model_spec,
)
from submissions.runner.selftest import is_safe_runc, judge, version_of
from submissions.runner.verdict import ended, refined

LABELS = Labels("luna", "site", "17", 2, 1000)
IMAGE = EngineImage("sha256:abc", {"PATH": "/bin"}, ("/data",), (8000,))


def cases(count=40, per_series=2):
    return [
        RunCase(
            f"1.2.3.{n // per_series}_{n}", Path(f"/c/{n // per_series}.mha"), f"1.2.3.{n // per_series}", 1.0 * n, 0, 0
        )
        for n in range(count)
    ]


def request(**changes):
    values = {
        "evaluation": "17", "attempt": 2, "image_id": "sha256:abc", "contract": "http", "cases": cases(4),
        "limits": Limits(), "kind": KINDS["lesion"], "cases_root": Path("/c"), "run_dir": Path("/r"), "seed": 1,
    }  # fmt: skip
    return RunRequest(**values | changes)


# Neutral names


def test_names_and_order_tell_nothing_of_ids_and_numbers():
    calls = neutral_calls(cases(), seed=3)
    assert sorted(call.case.case_id for call in calls) == sorted(case.case_id for case in cases())
    assert len({call.series_uid for call in calls}) == len({call.lesion_id for call in calls}) == 40
    assert not any("1.2.3" in call.series_uid for call in calls)
    true_numbers = [int(call.case.case_id.rpartition("_")[2]) for call in calls]
    assert abs(rank_correlation(true_numbers, [call.lesion_id for call in calls])) < 0.4
    assert abs(rank_correlation(true_numbers, list(range(40)))) < 0.4


def rank_correlation(first, second):
    from scipy.stats import spearmanr

    return spearmanr(first, second).statistic


def test_each_attempt_has_another_order_and_a_repetition_the_same():
    first, again, other = (neutral_calls(cases(), seed=seed) for seed in (1, 1, 2))
    assert first == again
    assert [call.case.case_id for call in first] != [call.case.case_id for call in other]
    assert {call.lesion_id for call in first} != {call.lesion_id for call in other}


def test_lesions_of_a_scan_stay_neighbours():
    series = [call.case.series_key for call in neutral_calls(cases(), seed=5)]
    changes = sum(one != other for one, other in pairwise(series))
    assert changes == len(set(series)) - 1


@pytest.mark.parametrize("seed", range(5))
def test_a_scan_of_the_batch_contract_is_one_image_even_of_a_series_cut_into_several(seed):
    whole = [RunCase(f"whole_{n}", Path("whole.mha"), "1.2.3") for n in range(3)]
    cuts = [RunCase(f"cut_{n}", Path(f"cut_{n}.mha"), "1.2.3") for n in range(2)]
    calls = neutral_calls(whole + cuts, seed, one_uid_an_image=True)
    scans = [list(group) for _, group in groupby(calls, key=lambda call: call.series_uid)]
    assert sorted(len(scan) for scan in scans) == [1, 1, 3]
    assert all(len({call.case.image_path for call in scan}) == 1 for scan in scans)


def test_the_plan_of_the_driver_names_no_case_of_ours():
    calls = neutral_calls(cases(4), seed=1)
    text = json.dumps(plan_of(request(), calls, IMAGE))
    assert not any(case.case_id in text or case.series_key in text for case in cases(4))


@pytest.mark.parametrize(
    ("ports", "adapter", "port"),
    [((), {}, 8000), ((5000,), {}, 5000), ((5000, 6000), {}, 8000), ((5000,), {"port": 7000}, 7000)],
)
def test_the_port_is_the_forms_or_the_only_exposed_one_or_8000(ports, adapter, port):
    image = EngineImage("sha256:abc", {}, (), ports)
    assert plan_of(request(adapter=adapter), neutral_calls(cases(4), 1), image)["port"] == port


# Flags


@pytest.mark.parametrize(
    "spec",
    [
        holder_spec(LABELS, "sha256:driver"),
        model_spec(LABELS, IMAGE, Limits()),
        driver_spec(LABELS, "sha256:driver", "/cases", "/plan"),
    ],
    ids=["holder", "model", "driver"],
)
def test_every_role_is_hardened_alike(spec):
    options = container_options(spec)
    expected = {
        "privileged": False, "init": True, "cap_drop": ["ALL"], "security_opt": ["no-new-privileges"],
        "read_only": True, "user": "65534:65534", "healthcheck": {"test": ["NONE"]},
        "restart_policy": {"Name": "no"}, "auto_remove": False,
    }  # fmt: skip
    assert {name: options[name] for name in expected} == expected
    assert options["mem_limit"] == options["memswap_limit"] > 0
    assert options["log_config"]["config"] == {"max-size": "1m", "max-file": "1", "compress": "false"}
    assert not {"ports", "devices", "cap_add", "pid_mode", "uts_mode", "volumes"} & options.keys()
    assert options["labels"].keys() >= {
        "luna.instance",
        "luna.evaluation",
        "luna.attempt",
        "luna.role",
        "luna.deadline",
    }
    assert options["network_mode"] in ("none", "container:luna-site-17-2-holder")


def test_the_model_mounts_nothing_of_ours():
    assert container_options(model_spec(LABELS, IMAGE, Limits()))["mounts"] == []


def test_the_driver_reads_cases_and_plan_and_cannot_write_them():
    mounts = container_options(driver_spec(LABELS, "sha256:driver", "/cases", "/plan"))["mounts"]
    assert all(mount["ReadOnly"] for mount in mounts)


def test_a_gpu_is_given_only_when_granted():
    assert "device_requests" not in container_options(model_spec(LABELS, IMAGE, Limits()))
    assert container_options(model_spec(LABELS, IMAGE, Limits(gpu=True)))["device_requests"]


def test_declared_volumes_become_sized_tmpfs():
    tmpfs = model_spec(LABELS, IMAGE, Limits(tmp_mib=10)).tmpfs
    assert tmpfs.keys() == {"/tmp", "/data"}
    assert all("size=10m" in options for options in tmpfs.values())


@pytest.mark.parametrize(
    ("declared", "mounted", "expected"),
    [
        ("/output", (), {"/tmp", "/output"}),  # the HTTP contract mounts nothing there: it would be a folder on disk
        ("/input/", (), {"/tmp", "/input"}),
        ("/output", ("/output",), {"/tmp"}),
        ("/output/", ("/output",), {"/tmp"}),
        ("/./output", ("/output",), {"/tmp"}),
        ("//tmp/", (), {"/tmp"}),
    ],
)
def test_a_declared_volume_is_covered_once(declared, mounted, expected):
    image = EngineImage("i", {}, (declared,), ())
    volumes = tuple(OutputVolume("v", target, read_only=False) for target in mounted)
    assert model_spec(LABELS, image, Limits(), volumes=volumes).tmpfs.keys() == expected


def test_loader_and_gpu_variables_of_the_image_are_emptied():
    given = {"LD_PRELOAD": "/x.so", "LD_LIBRARY_PATH": "/lib", "NVIDIA_VISIBLE_DEVICES": "all", "HF_HOME": "/weights"}
    environment = model_environment(EngineImage("i", given, (), ()), Limits())
    assert environment["LD_PRELOAD"] == ""
    assert environment["NVIDIA_VISIBLE_DEVICES"] == "void"
    assert "LD_LIBRARY_PATH" not in environment
    assert "HF_HOME" not in environment
    assert environment["HOME"] == "/tmp"


def test_each_picture_is_called_what_it_is():
    pictures = [RunCase(f"s{n}", Path(f"/c/{n}{end}"), f"s{n}") for n, end in enumerate([".png", ".jpg", ".JPEG"])]
    plan = plan_of(request(kind=KINDS["slice"], cases=pictures), neutral_calls(pictures, 1), IMAGE)
    sent = [(call["file_name"][-5:].lower(), call["content_type"]) for one in plan["groups"] for call in one["calls"]]
    assert len(sent) == 3
    assert all(content_type == ("image/png" if ".png" in name else "image/jpeg") for name, content_type in sent)


# Verdicts


@pytest.mark.parametrize(
    ("state", "logs", "has_answered", "code"),
    [
        (ContainerState(False, 137, True), "", True, "OUT_OF_MEMORY"),
        (ContainerState(False, 0, True), "", True, "OUT_OF_MEMORY"),
        (ContainerState(False, 137, False), "", True, "CONTAINER_EXITED"),
        (ContainerState(False, 0, False), "", False, "CONTAINER_EXITED"),
        (ContainerState(False, 127, False), "[FATAL tini (7)] exec /x failed", False, "CONTAINER_START"),
        (ContainerState(False, 126, False), "", False, "CONTAINER_START"),
        (ContainerState(False, 127, False), "", True, "CONTAINER_EXITED"),
        (ContainerState(False, 1, False), "OSError: [Errno 28] No space left on device", True, "DISK_LIMIT"),
    ],
)
def test_a_model_that_is_gone(state, logs, has_answered, code):
    fault = ended(state, logs, may_name_exit_code=False, while_doing="while predicting", has_answered=has_answered)
    assert fault.code == code
    assert "137" not in fault.note


def test_a_hint_names_the_read_only_rule():
    logs = "OSError: [Errno 30] Read-only file system: '/app/x'"
    fault = ended(
        ContainerState(False, 1, False), logs, may_name_exit_code=True, while_doing="while starting", has_answered=False
    )
    assert (
        fault.note == "It ended with exit code 1 while starting. The root file system is read-only: write below /tmp."
    )


@pytest.mark.parametrize(
    ("code", "oom", "logs", "expected"),
    [
        ("BAD_RESPONSE", True, "", "OUT_OF_MEMORY"),
        ("BAD_RESPONSE", False, "ENOSPC", "DISK_LIMIT"),
        ("BAD_RESPONSE", False, "", "BAD_RESPONSE"),
        ("BAD_PREDICTION", False, "ENOSPC", "BAD_PREDICTION"),
        ("RESPONSE_TOO_LARGE", True, "", "RESPONSE_TOO_LARGE"),
    ],
)
def test_a_bad_answer_of_a_model_that_runs_on(code, oom, logs, expected):
    assert refined(ContainerFault(code), ContainerState(True, 0, oom), logs).code == expected


def test_engine_texts_are_for_staff():
    fault = start_fault(RuntimeError("sha256:abc /var/lib/docker"))
    assert "sha256" not in fault.note
    assert "sha256" in fault.staff_detail


def test_logs_lose_control_characters():
    assert readable(b"a\x1b[31mb\x00c\r\n\xff") == "a\ufffd[31mb\ufffdc\ufffd\n\ufffd"


# Answers


CALL = Call(0, cases(1)[0], "2.25.1", 4711)


@pytest.mark.parametrize(
    ("body", "adapter", "probability"),
    [
        (b'{"data": {"probability": 0.25}}', {}, 0.25),
        (b'{"data": {"probability": 1, "lesionID": 4711, "seriesInstanceUID": "2.25.1"}}', {}, 1.0),
        (b'{"data": [0, 1, {"probability": 0}]}', {"probability_path": "data.2.probability"}, 0.0),
    ],
)
def test_good_bodies(body, adapter, probability):
    assert read_body(body, CALL, request(adapter=adapter)) == (probability,)


@pytest.mark.parametrize(
    "body",
    [
        b"", b"<html>", b"{}", b"[]", b"null", b'"0.5"', b'{"data": {"probability": "0.5"}}',
        b'{"data": {"probability": true}}',
        b'{"data": {"probability": NaN}}', b'{"data": {"probability": 1e999}}', b'{"data": {"probability": -0.1}}',
        b'{"data": {"probability": 1.1}}', b'{"data": {"probability": 0.1, "probability": 0.2}}', b"[" * 100_000,
        b'{"data": {"probability": 0.1, "lesionID": 1}}', b"\xff\xfe",
    ],
)  # fmt: skip
def test_bad_bodies_are_bad_predictions_and_are_not_quoted(body):
    with pytest.raises(ContainerFault) as caught:
        read_body(body, CALL, request())
    assert caught.value.code == "BAD_PREDICTION"
    assert "html" not in caught.value.note


# Batch files


def archive_with(name="0/lung-nodule-malginancy-likelihoods.json", body=b"{}", **member):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        info = tarfile.TarInfo(name)
        info.size = len(body)
        for key, value in member.items():
            setattr(info, key, value)
        archive.addfile(info, io.BytesIO(body))
    out.seek(0)
    return tarfile.open(fileobj=out)


@pytest.mark.parametrize(
    ("archive", "code"),
    [
        (None, "OUTPUT_MISSING"),
        (archive_with("0/other.json"), "OUTPUT_MISSING"),
        (archive_with(type=tarfile.SYMTYPE, linkname="/etc/passwd", body=b""), "OUTPUT_NOT_REGULAR"),
        (archive_with(type=tarfile.LNKTYPE, linkname="x", body=b""), "OUTPUT_NOT_REGULAR"),
        (archive_with(type=tarfile.DIRTYPE, body=b""), "OUTPUT_NOT_REGULAR"),
        (archive_with(type=tarfile.FIFOTYPE, body=b""), "OUTPUT_NOT_REGULAR"),
        (archive_with(body=b" "), "OUTPUT_SCHEMA"),
    ],
)
def test_output_folders_that_hold_no_answer(archive, code):
    with pytest.raises(ContainerFault) as caught:
        answer_in(archive)
    assert caught.value.code == code


def test_points_come_back_by_name_in_any_order():
    calls = neutral_calls(cases(2), seed=1)
    points = [{"name": str(call.lesion_id), "probability": call.number / 10} for call in reversed(calls)]
    answers = list(read_points(json.dumps({"points": points}).encode(), calls, request()))
    assert sorted((call.number, answer) for call, answer in answers) == [(0, (0.0,)), (1, (0.1,))]


def test_input_of_a_batch_carries_nothing_but_the_contract(tmp_path):
    image = tmp_path / "patient-7.mha"
    image.write_bytes(b"voxels")
    facts = {"Gender": "female", "Age_at_StudyDate": "61", "PatientID": "7", "label": 1}
    call = Call(0, RunCase("case", image, "1.2.3", 1.0, 2.0, 3.0, facts), "2.25.9", 4711)

    folder = write_input(tmp_path / "input", [call])

    names = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
    assert names == ["clinical-information-lung-ct.json", "images/chest-ct/2.25.9.mha", "nodule-locations.json"]
    assert json.loads((folder / "nodule-locations.json").read_text()) == {
        "name": "Points of interest", "type": "Multiple points",
        "points": [{"name": "4711", "point": [1.0, 2.0, 3.0]}], "version": {"major": 1, "minor": 0},
    }  # fmt: skip
    assert json.loads((folder / "clinical-information-lung-ct.json").read_text()) == {
        "age": 61, "gender": "FEMALE", "smoking_status": "Unknown", "clinical_category": None,
        "regional_nodes_category": None, "metastasis_category": None,
    }  # fmt: skip


def test_unknown_age_and_gender_are_null():
    assert clinical_information({}) | {"smoking_status": None} == dict.fromkeys(clinical_information({}))
    assert points_of_interest([])["points"] == []


# The doctor


@pytest.mark.parametrize(
    ("version", "is_safe"),
    [
        ("1.1.5+ds1", False),
        ("1.2.7", False),
        ("1.2.8", True),
        ("1.3.2", False),
        ("1.3.3", True),
        ("1.4.0-rc.2", True),
        ("2.0.0", True),
        ("", False),
    ],
)
def test_runc_versions_with_known_holes(version, is_safe):
    assert is_safe_runc(version) is is_safe


def test_versions_read_from_any_spelling():
    assert [version_of(text) for text in ("v29.1.2", "20.10.24+dfsg1", "1.4", "?")] == [
        (29, 1, 2),
        (20, 10, 24),
        (1, 4, 0),
        (0, 0, 0),
    ]


GOOD_SIGHT = {
    "uid": 65534, "gid": 65534, "capabilities": 0, "no_new_privileges": True, "seccomp": True, "interfaces": ["lo"],
    "outside": "Network is unreachable", "root_write": "Read-only file system", "mount_write": "Read-only file system",
    "tmp_write": "done", "tmp_bytes": 8 << 20, "shm_bytes": 4 << 20, "witness": "n", "environment": ["HOME"],
    "engine_socket": False,
}  # fmt: skip


def test_a_sound_sandbox_passes_every_check():
    assert all(check.ok for check in judge(GOOD_SIGHT, "n"))


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"uid": 0}, "user"),
        ({"capabilities": 1}, "capabilities"),
        ({"no_new_privileges": False}, "no new privileges"),
        ({"interfaces": ["eth0", "lo"]}, "network"),
        ({"outside": "done"}, "network"),
        ({"root_write": "done"}, "read-only root"),
        ({"mount_write": "done"}, "read-only mounts"),
        ({"tmp_write": "Permission denied"}, "writable /tmp"),
        ({"tmp_bytes": 1 << 34}, "size of /tmp"),
        ({"shm_bytes": 1 << 34}, "size of /dev/shm"),
        ({"witness": "unreadable"}, "mounts arrive"),
        ({"engine_socket": True}, "no engine socket"),
        ({"environment": ["DATABASE_URL"]}, "no secrets inside"),
    ],
)
def test_each_hole_in_the_sandbox_is_fatal(change, name):
    failed = [check for check in judge(GOOD_SIGHT | change, "n") if not check.ok]
    assert [(check.name, check.is_fatal) for check in failed] == [(name, True)]


@pytest.mark.parametrize(
    ("said", "image_id"),
    [
        (f"Loaded image ID: sha256:{'a' * 64}\n", f"sha256:{'a' * 64}"),
        (f"Loaded image: sha256:{'b' * 64}\n", f"sha256:{'b' * 64}"),
        ("Loaded image: name:tag\n", ""),
        ("", ""),
    ],
)
def test_what_the_engine_says_it_loaded(said, image_id):
    assert loaded_id(said) == image_id
