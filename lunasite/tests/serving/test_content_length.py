"""A body that was cut short is not taken for a short one."""

import io

import pytest
from gunicorn.http.errors import InvalidChunkSize

from lunasite.serving.content_length import ContentLengthBody, check_content_length


def read_by_site(body, **environ):
    """Return what a site reads of a body, in pieces of four bytes."""
    read = []

    def site(environ, start_response):
        while piece := environ["wsgi.input"].read(4):
            read.append(piece)
        return []

    check_content_length(site)({"wsgi.input": body, **environ}, lambda *_: None)
    return b"".join(read)


def test_a_whole_body_is_handed_on():
    assert read_by_site(io.BytesIO(b"0123456789"), CONTENT_LENGTH="10") == b"0123456789"


@pytest.mark.parametrize("arrived", [b"", b"0123", b"012345678"])
def test_a_body_cut_short_says_so(arrived):
    with pytest.raises(OSError, match="cut short"):
        read_by_site(io.BytesIO(arrived), CONTENT_LENGTH="10")


def test_a_body_in_pieces_ends_where_the_server_says():
    assert read_by_site(io.BytesIO(b"0123"), HTTP_TRANSFER_ENCODING="chunked") == b"0123"


def test_pieces_that_are_none_say_so():
    class ProtocolError(io.BytesIO):
        def read(self, size=-1):
            raise InvalidChunkSize(b"zz")

    with pytest.raises(OSError, match="pieces"):
        read_by_site(ProtocolError(), HTTP_TRANSFER_ENCODING="chunked")


def test_asking_for_nothing_is_no_end():
    body = ContentLengthBody(io.BytesIO(b"ab\ncd"), 5)
    assert (body.read(0), body.readline(), body.read()) == (b"", b"ab\n", b"cd")
