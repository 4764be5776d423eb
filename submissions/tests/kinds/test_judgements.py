"""How wrong a single answer is, and which groups a case belongs to."""

import pytest

from submissions.kinds import KINDS


@pytest.mark.parametrize(
    ("truth", "answer", "error", "outcome"),
    [
        (1, 0.9, 0.1, "true positive"), (1, [0.5], 0.5, "true positive"), (1, 0.2, 0.8, "false negative"),
        (0, 0.2, 0.2, "true negative"), (0, 0.7, 0.7, "false positive"),
    ],
)  # fmt: skip
def test_a_probability_is_judged(truth, answer, error, outcome):
    judged = KINDS["lesion"].judged(truth, answer)
    assert (judged.error, judged.outcome) == (pytest.approx(error), outcome)


@pytest.mark.parametrize(("truth", "error", "outcome"), [(1, 0.3, "right"), (3, 0.9, "wrong")])
def test_classes_are_judged_by_the_probability_of_the_true_one(truth, error, outcome):
    judged = KINDS["slice"].judged(truth, [0.1, 0.7, 0.1, 0.1])
    assert (judged.error, judged.outcome) == (pytest.approx(error), outcome)


SCAN = {"nodules": [[0, 0, 0, 10], [50, 0, 0, 6]], "irrelevant": [[0, 90, 0, 20]]}


@pytest.mark.parametrize(
    ("candidates", "error", "outcome"),
    [
        ([[1, 0, 0, 0.9], [50, 2, 0, 0.5]], 0, "right"),
        ([[1, 0, 0, 0.9], [50, 2, 0, 0.4]], 1, "missed"),
        ([[1, 0, 0, 0.9], [50, 2, 0, 0.9], [9, 9, 9, 0.9]], 1, "false candidates"),
        ([[0, 95, 0, 0.9]], 2, "missed"),  # on an irrelevant finding: neither
        ([[9, 9, 9, 0.9]], 3, "missed and false candidates"),
        ([], 2, "missed"),
        # Of more than a hundred only the most probable count, as in the score: the hit is none of them.
        ([[9, 9, 9, 0.9]] * 100 + [[1, 0, 0, 0.6]], 102, "missed and false candidates"),
    ],
)
def test_a_scan_is_judged_by_what_is_missed_and_what_is_false(candidates, error, outcome):
    judged = KINDS["nodule-detection"].judged(SCAN, candidates)
    assert (judged.error, judged.outcome) == (error, outcome)


ROW = {
    "coordx": "1", "coordy": "2", "coordz": "3", "label": "1", "gender": "F", "age_at_studydate": "64",
    "site": "north", "diameter_mm": "7.5",
}  # fmt: skip


@pytest.mark.parametrize("kind", ["lesion", "slice"])
def test_a_case_belongs_to_the_groups_that_its_row_names(kind):
    facts = KINDS[kind].read_row(ROW).facts
    assert KINDS[kind].subgroups(facts) == {"sex": "Female", "age": "60–69", "size": "6 to 8 mm", "site": "north"}
    assert KINDS[kind].shown(facts)["diameter mm"] == "7.5"


@pytest.mark.parametrize(
    ("column", "text", "by", "group"),
    [
        ("age_at_studydate", "49", "age", "under 50"), ("age_at_studydate", "50", "age", "50–59"),
        ("age_at_studydate", "70", "age", "70 and over"), ("size_mm", "5.9", "size", "under 6 mm"),
        ("size_mm", "30", "size", "30 mm and over"), ("institution", "x", "site", "x"),
    ],
)  # fmt: skip
def test_the_bands_are_those_of_screening(column, text, by, group):
    facts = KINDS["slice"].read_row({"label": "0", column: text}).facts
    assert KINDS["slice"].subgroups(facts) == {by: group}


@pytest.mark.parametrize("text", ["nan", "-1", "0", "1e9", "big", "inf"])
def test_a_size_that_is_none_is_refused(text):
    with pytest.raises(ValueError, match="millimetres"):
        KINDS["lesion"].read_row(ROW | {"diameter_mm": text})


def test_size_and_site_never_reach_a_container():
    facts = KINDS["lesion"].read_row(ROW).facts
    sent = KINDS["lesion"].request_fields(facts, series="1.2.3", lesion=4)
    assert "north" not in str(sent)
    assert "7.5" not in str(sent)
