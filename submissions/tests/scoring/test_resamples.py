"""Which resamples can be scored."""

import numpy as np
import pytest

from submissions.scoring.resamples import Sample

COUNTS = np.array([[1.0, 1, 1], [0, 2, 1], [3, 0, 0], [1, 0, 2], [2, 0, 1]])


@pytest.mark.parametrize(
    ("truth", "kept"), [([0, 1, 1], [0, 3, 4]), ([1, 0, 0], [0, 3, 4]), ([0, 0, 1], [0, 1, 3, 4]), ([2, 2, 2], [])]
)
def test_a_resample_needs_cases_of_two_classes(truth, kept):
    sample = Sample(np.array(truth), np.array([0.1, 0.2, 0.3]))
    assert sample.usable(COUNTS).tolist() == COUNTS[kept].tolist()


def test_where_there_are_no_classes_every_resample_is_scored():
    findings = np.empty(3, dtype=object)
    findings[:] = [{"nodules": []}] * 3
    assert Sample(findings, findings).usable(COUNTS) is COUNTS
