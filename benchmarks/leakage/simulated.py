"""The attacks on the score alone, over hundreds of simulated phases: how far a round strays from the mean.

The attacks are those of the suite and the ladder is the site's; only pages, files and worker are left out. Run:
PYTHONPATH=. .venv/bin/python -m benchmarks.leakage.simulated
"""

from __future__ import annotations

import os

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "lunasite.tests.settings")

ROUNDS = 200


class SimulatedSeen:
    """What a try shows: the AUC, or nothing."""

    def __init__(self, auc: float | None) -> None:
        self.auc = auc

    def number(self, name: str) -> float | None:
        return self.auc if name == "auc" else None


class SimulatedPlayer:
    """A participant of a phase of 300 public and 700 private cases. step: of the ladder; 0: each AUC in full."""

    def __init__(self, malignant: float, step: float, rng: np.random.Generator) -> None:
        n = 1000
        self.ids = [str(number) for number in range(n)]
        self.truth = rng.permutation((np.arange(n) < malignant * n).astype(int))
        self.is_public = rng.permutation(np.arange(n) < 300)
        self.step = step
        self.scored: list[object] = []

    def submit(self, values: NDArray[np.float64]) -> SimulatedSeen:
        from submissions.disclosure.ladder import Entry, climb

        truth = self.truth[self.is_public]
        ranks, positives = rankdata(values[self.is_public]), int(truth.sum())
        auc = (ranks[truth == 1].sum() - positives * (positives + 1) / 2) / (positives * (len(truth) - positives))
        if not self.step:
            return SimulatedSeen(float(auc))
        self.scored.append(Entry(len(self.scored), float(auc)))
        shown = climb(self.scored, metric="auc", step=self.step, digits=3, higher_is_better=True)
        return SimulatedSeen(shown.get(len(self.scored) - 1))

    def public_beyond_constant(self, labels: dict[str, int], commoner: int) -> int:
        guess = np.array([labels.get(each, commoner) for each in self.ids])[self.is_public]
        truth = self.truth[self.is_public]
        return int((guess == truth).sum()) - max(int(truth.sum()), int((1 - truth).sum()))


def main() -> None:
    import django

    django.setup()
    from benchmarks.leakage.attacks import scores

    print("| attack | malignant | shown | mean | standard deviation | most | rounds over the limit |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for malignant, limit in ((0.09, 10), (0.5, 25)):
        for attack in (scores.blocks, scores.singles, scores.boosting, scores.climbing):
            for step, name in ((0.0, "each in full"), (0.01, "by the ladder")):
                found = np.array([_round(attack, malignant, step, seed) for seed in range(ROUNDS)])
                print(
                    f"| {attack.__name__} | {malignant:.0%} | {name} | {found.mean():.1f} | {found.std():.1f} "
                    f"| {found.max()} | {(found > limit).mean():.1%} |",
                    flush=True,
                )


def _round(attack: object, malignant: float, step: float, seed: int) -> int:
    rng = np.random.default_rng(seed)
    player = SimulatedPlayer(malignant, step, rng)
    [guess] = attack(player, malignant, rng)  # type: ignore[operator]
    return player.public_beyond_constant(guess.labels, int(malignant >= 0.5))


if __name__ == "__main__":
    main()
