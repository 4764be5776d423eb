"""Boosted decision trees as plain arrays, so that they are stored as safetensors and evaluated with numpy alone."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

COLUMNS = ("feature", "threshold", "left", "right", "value")


@dataclass(frozen=True, eq=False)
class Trees:
    """Trees whose values add up to a logit.

    feature, left, right: (trees, nodes) whole numbers; a leaf has feature -1 and points to itself.
    threshold, value: (trees, nodes); a row goes left where its feature is at most the threshold.
    baseline: added to the sum. depth: the longest path.
    """

    feature: NDArray[np.intp]
    threshold: NDArray[np.float64]
    left: NDArray[np.intp]
    right: NDArray[np.intp]
    value: NDArray[np.float64]
    baseline: float
    depth: int

    @classmethod
    def of(cls, tables: Mapping[str, NDArray[np.float64]], name: str) -> "Trees":
        """Return the trees stored as `name` in a model's tables. Raises KeyError."""
        feature, threshold, left, right, value = (tables[f"{name}.{column}"] for column in COLUMNS)
        baseline, depth = tables[f"{name}.sum"]
        whole = [array.astype(np.intp) for array in (feature, left, right)]
        return cls(whole[0], threshold, whole[1], whole[2], value, float(baseline), int(depth))

    def tables(self, name: str) -> dict[str, NDArray[np.float64]]:
        """Return the arrays as tables of a model."""
        arrays = {f"{name}.{column}": np.asarray(getattr(self, column), dtype=np.float64) for column in COLUMNS}
        return {**arrays, f"{name}.sum": np.array([self.baseline, self.depth], dtype=np.float64)}

    def logit(self, values: NDArray[np.float64]) -> float:
        """Return the logit of one row of features (features,)."""
        tree = np.arange(len(self.feature))
        node = np.zeros(len(self.feature), dtype=np.intp)
        for _ in range(self.depth):
            goes_left = values[self.feature[tree, node]] <= self.threshold[tree, node]
            node = np.where(goes_left, self.left[tree, node], self.right[tree, node])
        return self.baseline + float(self.value[tree, node].sum())
