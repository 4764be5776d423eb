"""One of four classes of a chest CT slice: four probabilities a case."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from .base import BadAnswer, CaseFacts, metric_names, probability, sum_problem, value_at

CLASS_NAMES = ("adenocarcinoma", "large_cell_carcinoma", "squamous_cell_carcinoma", "normal")


class SliceKind:
    """CT slice classification. Truth 0..3 in the order of `class_names`, predictions (n, 4) float64."""

    name = "slice"
    title = "CT slice classification"
    class_names: tuple[str, ...] = CLASS_NAMES
    has_points = False
    id_columns: tuple[str, ...] = ("id",)
    score_columns: tuple[str, ...] = ()
    endpoint_path = "/predict"
    probability_path = "probabilities"
    image_suffixes: tuple[str, ...] = (".png", ".jpg", ".jpeg")
    contracts: tuple[str, ...] = ("http",)  # a batch is a CT with its points
    optional_fields: tuple[str, ...] = ()
    ranking_metric = "macro_f1"

    @property
    def metrics(self) -> tuple[str, ...]:
        return metric_names(self.name)

    def value_columns(self, header: Sequence[str]) -> tuple[list[str], list[str]]:
        missing = [name for name in CLASS_NAMES if name not in header]
        return [name for name in CLASS_NAMES if name in header], missing

    def row_problem(self, values: Sequence[float]) -> str | None:
        return sum_problem(values)

    def shape(self, n_cases: int) -> tuple[int, ...]:
        return (n_cases, len(CLASS_NAMES))

    def template_header(self) -> list[str]:
        return ["id", *CLASS_NAMES]

    def template_values(self) -> list[str]:
        return ["0.25"] * len(CLASS_NAMES)

    def read_truth(self, text: str) -> int:
        """Return the class a cell names: by its name, in any of its published spellings, or its number."""
        word = text.strip().lower().replace(".", "_").replace(" ", "_").replace("-", "_")
        if word in CLASS_NAMES:
            return CLASS_NAMES.index(word)
        if word in ("0", "1", "2", "3"):
            return int(word)
        raise ValueError(f"the label is none of {', '.join(CLASS_NAMES)}")

    def request_fields(
        self,
        case: CaseFacts,
        *,
        series: str,
        lesion: int,
        naming: str = "camelCase",
        omit: Collection[str] = (),
    ) -> dict[str, str]:
        """Return no field at all: a slice is sent as its file alone."""
        return {}

    def read_answer(
        self,
        value: object,
        probability_path: str | None = None,
        *,
        series: str | None = None,
        lesion: int | None = None,
    ) -> tuple[float, ...]:
        path = self.probability_path if probability_path is None else probability_path
        values = tuple(probability(each) for each in _per_class(value_at(value, path)))
        if sum_problem(values):
            raise BadAnswer("The class probabilities in the answer do not sum to 1 ± 0.01.")
        return values


def _per_class(value: object) -> list[object]:
    """Return the values of the four classes in order, from an object by name or a list of four."""
    if isinstance(value, Mapping) and all(name in value for name in CLASS_NAMES):
        return [value[name] for name in CLASS_NAMES]
    if isinstance(value, list) and len(value) == len(CLASS_NAMES):
        return value
    raise BadAnswer("The answer does not hold one probability for each of the four classes.")
