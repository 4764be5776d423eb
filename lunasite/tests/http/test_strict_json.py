"""JSON from outside has one meaning, or is refused for a reason."""

import pytest

from lunasite.http.strict_json import NotANumber, NotStrictJson, RepeatedKey, parse_strict


@pytest.mark.parametrize(
    ("text", "kind", "says"),
    [
        ("NaN", NotANumber, "holds NaN, which is not JSON"),
        ('{"a": [Infinity]}', NotANumber, "holds Infinity, which is not JSON"),
        ("-Infinity", NotANumber, "holds -Infinity, which is not JSON"),
        ('{"a": 1, "a": 2}', RepeatedKey, "repeats a key"),
        ('[{"b": {"a": 1, "a": 1}}]', RepeatedKey, "repeats a key"),
        ("", NotStrictJson, "is not JSON"),
        ("{", NotStrictJson, "is not JSON"),
        ("nan", NotStrictJson, "is not JSON"),
        ("[" * 100_000, NotStrictJson, "is not JSON"),
        ("1" * 10_000, NotStrictJson, "is not JSON"),  # more digits than Python turns into a number
    ],
)
@pytest.mark.parametrize("as_given", [str, str.encode])
def test_what_has_no_single_meaning_is_refused(text, kind, says, as_given):
    with pytest.raises(NotStrictJson) as caught:
        parse_strict(as_given(text))
    assert (type(caught.value), str(caught.value)) == (kind, says)


def test_bytes_are_utf_8():
    assert parse_strict('{"é": "Σ"}'.encode()) == {"é": "Σ"}
    with pytest.raises(NotStrictJson):
        parse_strict('"é"'.encode("latin-1"))


@pytest.mark.parametrize("text", [b'\xef\xbb\xbf{"a": 1}', '\ufeff{"a": 1}'])
def test_a_byte_order_mark_passes_where_it_may(text):
    assert parse_strict(text, may_begin_with_bom=True) == {"a": 1}
    with pytest.raises(NotStrictJson):
        parse_strict(text)
