"""What the metrics that are shares are shares of: the cases that could have changed them."""

from __future__ import annotations

import numpy as np

from submissions.scoring.resamples import Floats, Sample


def every_case(sample: Sample) -> list[Floats]:
    return [np.ones(sample.n)]


def of_class(sample: Sample, k: int) -> list[Floats]:
    return [(sample.truth == k).astype(np.float64)]


def positives(sample: Sample) -> list[Floats]:
    return of_class(sample, 1)


def negatives(sample: Sample) -> list[Floats]:
    return of_class(sample, 0)


def called_positive(sample: Sample) -> list[Floats]:
    return [(sample.predicted == 1).astype(np.float64)]


def of_or_called_class(sample: Sample, k: int) -> list[Floats]:
    return [((sample.truth == k) | (sample.predicted == k)).astype(np.float64)]


def each_class(sample: Sample) -> list[Floats]:
    """Return a part for every class that occurs: the rarest decides how sure their mean is."""
    return [of_class(sample, int(k))[0] for k in np.unique(sample.truth)]


def nodules(sample: Sample) -> list[Floats]:
    return [np.array([len(truth["nodules"]) for truth in sample.truth], dtype=np.float64)]
