"""A text of several lines that a browser lets somebody type is not too long once it has arrived."""

import pytest

from submissions.data_files.forms import DataFileForm
from submissions.participation.forms import RequestForm
from submissions.web.forms import CsvForm
from submissions.web.image_forms import ImageForm


@pytest.mark.parametrize(
    ("form", "name", "limit"),
    [
        (RequestForm, "sentence", 1000), (CsvForm, "comment", 2000), (ImageForm, "comment", 2000),
        (DataFileForm, "citation", 2000),
    ],
)  # fmt: skip
def test_each_end_of_a_line_counts_once(form, name, limit):
    field = form.base_fields[name]
    assert field.max_length == limit
    typed = "a\n" * (limit // 2 - 1) + "ab"
    assert field.clean(typed.replace("\n", "\r\n")) == typed
