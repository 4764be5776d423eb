"""One of four classes of a chest CT slice: four probabilities per case."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from .base import BadAnswer, CaseContent, Record, series_of
from .classification import ClassificationKind, probability, sum_problem, value_at
from .subgroups import clinical_facts, group_facts

CLASS_NAMES = ("adenocarcinoma", "large_cell_carcinoma", "squamous_cell_carcinoma", "normal")


class SliceKind(ClassificationKind):
    """CT slice classification. Truth 0..3 in the order of `class_names`, predictions (n, 4) float64."""

    name = "slice"
    title = "CT slice classification"
    class_names = CLASS_NAMES
    n_values = len(CLASS_NAMES)
    table_example = "id,file,label,PatientID\ns1,s1.png,adenocarcinoma,P1\ns2,s2.png,normal,P2\n"
    table_guide = f"takes `id` or `file`, and `label`: one of {', '.join(f'`{name}`' for name in CLASS_NAMES)}."
    id_columns = ("id",)
    image_suffixes = (".png", ".jpg", ".jpeg")
    metrics = ("log_loss", "accuracy", "macro_f1", "macro_auc_ovr", *(f"f1_{name}" for name in CLASS_NAMES))
    ranking_metric = "macro_f1"
    curves = ("roc", "confusion", "classes")
    endpoint_path = "/predict"
    probability_path = "probabilities"
    answer_sentence = "one number a class at `probabilities`"
    request_guide = (
        "A phase of **CT slices** posts `file` (PNG or JPEG) to `/predict` and reads `probabilities`, "
        "one for each class, by name or in the order of the CSV's columns."
    )

    def read_row(self, record: Record) -> CaseContent:
        series = series_of(record)[:64]
        facts = {"series": series, "clinical": clinical_facts(record), "groups": group_facts(record)}
        return CaseContent(self.read_label(record["label"]), {name: value for name, value in facts.items() if value})

    def read_label(self, text: str) -> int:
        """Return the class that a cell names: by any published spelling of its name, or by its number.

        Raises ValueError with a sentence.
        """
        word = text.strip().lower().replace(".", "_").replace(" ", "_").replace("-", "_")
        if word in CLASS_NAMES:
            return CLASS_NAMES.index(word)
        number = text.strip().removesuffix(".0")  # pandas writes whole numbers so where one was missing
        if number in ("0", "1", "2", "3"):
            return int(number)
        raise ValueError(f"the label is none of {', '.join(CLASS_NAMES)}")

    def value_columns(self, header: Sequence[str]) -> tuple[list[str], list[str]]:
        missing = [name for name in CLASS_NAMES if name not in header]
        return [name for name in CLASS_NAMES if name in header], missing

    def row_problem(self, values: Sequence[float]) -> str | None:
        return sum_problem(values)

    def template_header(self) -> list[str]:
        return ["id", *CLASS_NAMES]

    def template_values(self) -> list[str]:
        return ["0.25"] * len(CLASS_NAMES)

    def csv_sentences(self) -> list[str]:
        names = ", ".join(f"`{name}`" for name in CLASS_NAMES)
        return [
            f"An `id` column and one probability column a class: {names}.",
            "Each id exactly once; each value a number from 0 to 1, and each row sums to 1 ± 0.01.",
        ]

    def read_answer(
        self, value: object, path: str | None = None, *, series: str | None = None, lesion: int | None = None
    ) -> tuple[float, ...]:
        path = self.probability_path if path is None else path
        values = tuple(probability(each) for each in _per_class(value_at(value, path)))
        if sum_problem(values):
            raise BadAnswer("The class probabilities in the answer do not sum to 1 ± 0.01.")
        return values


def _per_class(value: object) -> list[object]:
    """Return the values of the four classes in order, from an object by name or from a list of four."""
    if isinstance(value, Mapping) and all(name in value for name in CLASS_NAMES):
        return [value[name] for name in CLASS_NAMES]
    if isinstance(value, list) and len(value) == len(CLASS_NAMES):
        return value
    raise BadAnswer("The answer does not hold one probability for each of the four classes.")


KIND = SliceKind()
