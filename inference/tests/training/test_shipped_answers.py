"""The held-out answers beside the weights: they hold no label, and the cards say what `make bench-models` prints."""

import csv

import numpy as np
import pytest

from benchmarks.models.bench_models import differing, sections
from inference.networks.config import WEIGHTS_DIR
from inference.training.lesions.figures import figures_table
from inference.training.lesions.held_out import ANSWERS, HeldOutLesions
from inference.training.reference import write_reference
from inference.training.slice_data import read_rows
from inference.training.slice_held_out import NUMBERS

COLUMNS = {"lesion_held_out.csv": ANSWERS, "slice_held_out.csv": ("name", *NUMBERS)}


@pytest.mark.parametrize("name", sorted(COLUMNS))
def test_a_shipped_table_holds_what_the_model_answered_and_nothing_of_the_data(name):
    with (WEIGHTS_DIR / name).open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == COLUMNS[name]
    assert {"label", "vote", "patient", "group", "source", "diameter_mm"}.isdisjoint(rows[0])
    names = [row["name"] for row in rows]
    assert names == sorted(names), "the order of the data tells the classes"


@pytest.mark.slow
def test_the_strict_label_is_the_vote_whatever_the_label_of_the_data_says():
    """Of votes 1, 2, 3, 4, 5 the data may call any malignant; 0.9 is their model's answer to a vote of 2."""
    votes = np.array([1, 2, 3, 4, 5])
    columns = {name: np.zeros(5) for name in ("slice_mm", "pixel_mm", "network", "probability", "estimated_mm")}
    found = HeldOutLesions(
        name=np.array(list("abcde")), patient=np.array(list("abcde")), fold=np.zeros(5, int), vote=votes,
        label=np.array([1, 1, 1, 1, 0]), logit=np.array([0.1, 0.9, 0.5, 0.6, 0.7]), diameter_mm=1.0 * votes, **columns,
    )  # fmt: skip
    assert found.strict.label.tolist() == [0, 0, 1, 1]
    assert found.strict.name.tolist() == ["a", "b", "d", "e"]
    rows = [line.split(" | ") for line in figures_table(found).splitlines()]
    shown = {row[0].strip("| "): row[1][:5] for row in rows if len(row) == 2}
    assert shown["AUC, strict label (vote 3 left out; malignant is a vote over 3)"] == "0.500"
    assert shown["AUC"] == "0.250"


def test_the_order_of_the_drift_reference_does_not_tell_the_class(tmp_path):
    greys = [np.full((40, 40), level, np.uint8) for level in (9, 3, 5)]
    write_reference(tmp_path / "r.csv", greys, np.eye(3, 4))
    means = [row["mean"] for row in csv.DictReader((tmp_path / "r.csv").open())]
    assert means == ["3.0", "5.0", "9.0"]


@pytest.mark.realdata
def test_answers_of_other_nodules_are_refused(real_data, tmp_path):
    text = (WEIGHTS_DIR / "lesion_held_out.csv").read_text()
    (tmp_path / "a.csv").write_text(text + "unknown,0,0.1,0.1,0.5,8.0\n")
    with pytest.raises(KeyError, match="unknown"):
        HeldOutLesions.read(tmp_path / "a.csv", real_data / "lidc_nodules")


@pytest.mark.realdata
def test_the_card_counts_series_and_not_single_pictures(real_data):
    numbered = {row.series for row in read_rows(real_data / "slices") if row.split == "train" and row.is_numbered}
    assert f"come from about {len(numbered)} series" in (WEIGHTS_DIR / "slice.md").read_text()


@pytest.mark.slow
@pytest.mark.realdata
@pytest.mark.timeout(1800)
def test_the_cards_hold_what_the_bench_prints(real_data):
    assert differing(sections(real_data)) == []
