"""What is frozen stays so through a form that was loaded before, and nothing of it passes to a copy."""

import pytest
from django.core.exceptions import ValidationError

from submissions.models import Phase
from submissions.phases.opening import save_phase
from submissions.tests.organise.test_challenges import phase_form

pytestmark = pytest.mark.django_db
PAGE = "/organise/phases/one/"


def test_a_copy_of_a_frozen_phase_is_not_frozen(browser, phase):
    browser.post(f"{PAGE}end/")
    browser.post(f"{PAGE}end/", {"freeze": "1"})
    browser.post("/organise/challenges/lungs/phases/new/?copy=one", phase_form(phase.dataset, slug="two"))
    assert Phase.objects.get(slug="one").frozen_at is not None
    assert Phase.objects.get(slug="two").frozen_at is None


def test_a_board_that_is_frozen_meanwhile_stays_frozen(browser, phase):
    stale = Phase.objects.get(pk=phase.pk)
    browser.post(f"{PAGE}end/")
    browser.post(f"{PAGE}end/", {"freeze": "1"})
    with pytest.raises(ValidationError, match="is frozen"):
        save_phase(phase=stale, windows=[])
    phase.refresh_from_db()
    assert phase.frozen_at is not None
