"""The cases and predictions that entries are compared on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from submissions.kinds import Kind
from submissions.models import Evaluation, Phase
from submissions.scoring.resamples import Ints, Sample
from submissions.scoring.uncertainty import patient_groups


class NotComparable(Exception):
    """The two entries cannot be compared, or not yet; the message states what to do."""


@dataclass(frozen=True)
class SplitCases:
    """The cases of one split. chosen: a mask of them among the scored cases; patients: "" where unknown."""

    kind: Kind
    truth: NDArray[Any]
    patients: list[str]
    chosen: NDArray[np.bool_]

    @property
    def has_patients(self) -> bool:
        return any(self.patients)

    @property
    def groups(self) -> Ints:
        """(n,) the patient number of each case; a case without a patient is one of its own."""
        return patient_groups(self.patients)

    def sample(self, evaluation: Evaluation) -> Sample:
        """Return an entry's predictions with the truth. Raises NotComparable."""
        if evaluation.predictions is None:
            raise NotComparable("The predictions of one of the two were not kept; ask for a re-evaluation.")
        predictions = self.kind.unpack(evaluation.predictions)
        if len(predictions) != len(self.chosen):
            raise NotComparable("One of the two was scored on other cases; ask for a re-evaluation.")
        return Sample(self.truth, predictions[self.chosen])


def split_cases(phase: Phase, split: str) -> SplitCases:
    """Return the cases of a phase's split. Raises NotComparable if there are none."""
    dataset = phase.dataset
    rows = list(dataset.scored_cases().values_list("truth", "patient", "split"))
    chosen = np.array([of_case == split for _, _, of_case in rows])
    if not chosen.any():
        raise NotComparable("There are no cases to compare on yet.")
    truth = dataset.task.truths([truth for truth, _, _ in rows])[chosen]
    return SplitCases(phase.kind, truth, [patient for _, patient, of_case in rows if of_case == split], chosen)
