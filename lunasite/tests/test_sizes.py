"""Sizes in sentences: as the settings and the pages write them."""

import pytest
from django.template.defaultfilters import filesizeformat

from lunasite.env import Env
from lunasite.http.files.sizes import size_in_words


@pytest.mark.parametrize(
    ("size", "words"),
    [(12, "12 bytes"), (1536, "1.5 KB"), (10 * 2**20, "10 MB"), (2**30 - 1, "1024 MB"), (3.2 * 2**30, "3.2 GB")],
)
def test_sizes_are_told_in_words(size, words):
    assert size_in_words(size) == words


@pytest.mark.parametrize(("text", "words"), [("512m", "512 MB"), ("20g", "20 GB"), ("1536m", "1.5 GB")])
def test_a_limit_is_told_as_it_was_set_and_as_a_page_shows_it(text, words):
    size = Env({"X": text}).megabytes("X", "1g") * 2**20
    assert size_in_words(size) == words
    assert filesizeformat(size).replace(".0", "").replace("\xa0", " ") == words
