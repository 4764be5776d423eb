"""The report in a browser: one A4 on paper, and type that can be read on a phone."""

import re

import numpy as np
import pytest

from submissions.models import Case
from submissions.tests.factories import evaluated, make_dataset, make_member, make_phase

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

N = 160
# The size of the type of every SVG text as it is drawn, in CSS pixels.
DRAWN_TYPE = """() => [...document.querySelectorAll("main svg text")].filter((text) => text.getClientRects().length)
  .map((text) => parseFloat(getComputedStyle(text).fontSize) * Math.hypot(text.getScreenCTM().a, text.getScreenCTM().b))
"""

# Values of a card that begin where its label stands.
LABELS_OVERLAID = """() => [...document.querySelectorAll("table.cards td[data-label]")]
  .filter((cell) => parseFloat(getComputedStyle(cell).paddingLeft) < 100).length
"""


@pytest.fixture
def entry():
    """An entry whose report is as full as one gets: four properties with up to six groups each."""
    random = np.random.default_rng(5)
    truth = random.integers(0, 2, N).tolist()
    dataset = make_dataset(truth=truth)
    rows = list(dataset.cases.all())
    for case in rows:
        k = case.position // 2
        case.facts |= {
            "clinical": {"Gender": ("Male", "Female")[k % 2], "Age_at_StudyDate": str(45 + 7 * (k % 5))},
            "groups": {"site": f"hospital {k % 6}", "diameter_mm": float(4 + 6 * (k % 5))},
        }
    Case.objects.bulk_update(rows, ["facts"])
    phase = make_phase(dataset, title="Malignancy of lung nodules, validation")
    user = make_member("ann", "Lung Rangers")
    p = np.clip(random.normal(0.4 + 0.2 * np.array(truth), 0.2), 0, 1).round(4)
    evaluated(user=user, phase=phase, values=(1 - p).round(4).tolist(), title="resnet", model_version="0.9")
    return evaluated(user=user, phase=phase, values=p.tolist(), title="resnet with attention", model_version="1.0")


def test_the_report_prints_on_one_page_of_a4(open_page, entry):
    page = open_page(entry.user)
    page.goto(f"/submissions/{entry.pk}/report/")
    assert page.locator("tr.first-of-group").count() == 4
    page.get_by_role("button", name="Print or save as PDF").wait_for()
    pdf = page.pdf(format="A4", prefer_css_page_size=True, print_background=True)
    assert len(re.findall(rb"/Type\s*/Page\b(?!s)", pdf)) == 1


def test_on_a_phone_the_charts_can_be_read_and_nothing_leaves_the_screen(open_page, entry):
    page = open_page(entry.user, viewport={"width": 390, "height": 844})
    for path in (
        f"/submissions/{entry.pk}/report/",
        f"/submissions/{entry.pk}/",
        f"/leaderboards/{entry.phase.slug}/history/?team={entry.team_id}",
    ):
        page.goto(path)
        sizes = page.evaluate(DRAWN_TYPE)
        assert len(sizes) >= 5, path
        assert min(sizes) >= 10, path
        assert page.evaluate("document.documentElement.scrollWidth") <= 390, path
        assert page.evaluate(LABELS_OVERLAID) == 0, path
