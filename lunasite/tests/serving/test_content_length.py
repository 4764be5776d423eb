"""A body says one length, or comes in pieces."""

import pytest

from lunasite.serving.content_length import RefusedBody, TruncatedBodyError, check_content_length


@pytest.mark.parametrize(
    ("headers", "length"),
    [([], 0), ([(b"content-length", b"12")], 12), ([(b"transfer-encoding", b"chunked")], None)],
)
def test_the_announced_length(headers, length):
    assert check_content_length(headers) == length


def test_both_at_once_are_refused():
    with pytest.raises(ValueError, match="both"):
        check_content_length([(b"content-length", b"1"), (b"transfer-encoding", b"chunked")])


@pytest.mark.parametrize("read", [RefusedBody().read, RefusedBody().readline])
def test_a_body_that_was_not_taken_does_not_pass_for_an_empty_one(read):
    with pytest.raises(TruncatedBodyError):
        read(10)
