"""What a container learns of the cases: neutral names, and the plan of the driver."""

import json
from itertools import groupby, pairwise
from pathlib import Path

import pytest

from submissions.kinds import KINDS
from submissions.runner.base import RunCase
from submissions.runner.contracts.http import plan_of
from submissions.runner.pseudonymize import pseudonymize_cases
from submissions.runner.values import EngineImage
from submissions.tests.run_requests import run_cases, run_request

IMAGE = EngineImage("sha256:abc", {"PATH": "/bin"}, ("/data",), (8000,))


def test_names_and_order_tell_nothing_of_ids_and_numbers():
    calls = pseudonymize_cases(run_cases(), seed=3)
    assert sorted(call.case.case_id for call in calls) == sorted(case.case_id for case in run_cases())
    assert len({call.series_uid for call in calls}) == len({call.lesion_id for call in calls}) == 40
    assert not any("1.2.3" in call.series_uid for call in calls)
    true_numbers = [int(call.case.case_id.rpartition("_")[2]) for call in calls]
    assert abs(rank_correlation(true_numbers, [call.lesion_id for call in calls])) < 0.4
    assert abs(rank_correlation(true_numbers, list(range(40)))) < 0.4


def rank_correlation(first, second):
    from scipy.stats import spearmanr

    return spearmanr(first, second).statistic


def test_each_attempt_has_another_order_and_a_repetition_the_same():
    first, again, other = (pseudonymize_cases(run_cases(), seed=seed) for seed in (1, 1, 2))
    assert first == again
    assert [call.case.case_id for call in first] != [call.case.case_id for call in other]
    assert {call.lesion_id for call in first} != {call.lesion_id for call in other}


def test_lesions_of_a_scan_stay_neighbours():
    series = [call.case.series_key for call in pseudonymize_cases(run_cases(), seed=5)]
    changes = sum(item != other for item, other in pairwise(series))
    assert changes == len(set(series)) - 1


@pytest.mark.parametrize("seed", range(5))
def test_a_scan_of_the_batch_contract_is_one_image_even_of_a_series_cut_into_several(seed):
    whole = [RunCase(f"whole_{n}", Path("whole.mha"), "1.2.3") for n in range(3)]
    cuts = [RunCase(f"cut_{n}", Path(f"cut_{n}.mha"), "1.2.3") for n in range(2)]
    calls = pseudonymize_cases(whole + cuts, seed, one_uid_an_image=True)
    scans = [list(group) for _, group in groupby(calls, key=lambda call: call.series_uid)]
    assert sorted(len(scan) for scan in scans) == [1, 1, 3]
    assert all(len({call.case.image_path for call in scan}) == 1 for scan in scans)


def test_the_plan_of_the_driver_names_no_case_of_ours():
    calls = pseudonymize_cases(run_cases(4), seed=1)
    text = json.dumps(plan_of(run_request(), calls, IMAGE))
    assert not any(case.case_id in text or case.series_key in text for case in run_cases(4))


@pytest.mark.parametrize(
    ("ports", "adapter", "port"),
    [((), {}, 8000), ((5000,), {}, 5000), ((5000, 6000), {}, 8000), ((5000,), {"port": 7000}, 7000)],
)
def test_the_port_is_the_forms_or_the_only_exposed_one_or_8000(ports, adapter, port):
    image = EngineImage("sha256:abc", {}, (), ports)
    assert plan_of(run_request(adapter=adapter), pseudonymize_cases(run_cases(4), 1), image)["port"] == port


def test_each_picture_is_called_what_it_is():
    pictures = [RunCase(f"s{n}", Path(f"/c/{n}{end}"), f"s{n}") for n, end in enumerate([".png", ".jpg", ".JPEG"])]
    plan = plan_of(run_request(kind=KINDS["slice"], cases=pictures), pseudonymize_cases(pictures, 1), IMAGE)
    sent = [(call["file_name"][-5:].lower(), call["content_type"]) for item in plan["groups"] for call in item["calls"]]
    assert len(sent) == 3
    assert all(content_type == ("image/png" if ".png" in name else "image/jpeg") for name, content_type in sent)
