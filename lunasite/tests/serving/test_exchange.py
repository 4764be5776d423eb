"""Requests become what PEP 3333 says, answers what HTTP says."""

import pytest

from lunasite.tests.serving.conftest import get, post


def message(served, sent: bytes) -> dict:
    """Return the environ that the application gets for a request."""
    assert served.ask(sent).startswith(b"HTTP/1.1 200")
    return served.message[-1]


def test_path_query_and_address(serve):
    environ = message(serve(), get("/a%20b/%C3%A9?q=1&r=%20"))
    assert (environ["PATH_INFO"], environ["QUERY_STRING"]) == ("/a b/\xc3\xa9", "q=1&r=%20")
    assert (environ["REQUEST_METHOD"], environ["REMOTE_ADDR"], environ["SCRIPT_NAME"]) == ("GET", "127.0.0.1", "")


@pytest.mark.parametrize(
    ("target", "path"), [("http://x/a?b", "/a"), ("http://x", "/"), ("//x/a", "//x/a")]
)  # fmt: skip
def test_a_target_with_a_host(serve, target, path):
    assert message(serve(), get(target))["PATH_INFO"] == path


@pytest.mark.parametrize("line", ["SCRIPT_NAME: /evil", "PATH_INFO: /evil", "REMOTE_USER: ann", "X_Forwarded_For: 1"])
def test_a_header_with_an_underscore_is_nobodys(serve, line):
    environ = message(serve(), get("/", line))
    assert environ["SCRIPT_NAME"] == ""
    assert not {key for key in environ if "EVIL" in str(environ[key]).upper() or key in ("HTTP_X_FORWARDED_FOR",)}
    assert "REMOTE_USER" not in environ
    assert "HTTP_REMOTE_USER" not in environ


def test_a_script_name_header_prefixes_nothing(serve):
    assert message(serve(), get("/", "Script-Name: /evil"))["SCRIPT_NAME"] == ""


def test_repeated_headers_are_joined(serve):
    environ = message(serve(), get("/", "X-A: 1", "X-A: 2", "Cookie: a=1", "Cookie: b=2"))
    assert (environ["HTTP_X_A"], environ["HTTP_COOKIE"]) == ("1,2", "a=1; b=2")


def test_a_body_in_pieces_comes_joined_and_with_its_length(serve):
    served = serve()
    head = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
    assert served.ask(head + b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n").endswith(b"abcde")
    assert served.message[-1]["CONTENT_LENGTH"] == "5"
    assert "HTTP_TRANSFER_ENCODING" not in served.message[-1]


@pytest.mark.parametrize(
    "sent",
    [
        b"GARBAGE\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.0\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n",
        b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n",
        post(5, b"", "Transfer-Encoding: chunked"),
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nno number\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nA : b\r\n\r\n",
    ],
)
def test_what_two_readers_could_read_differently_is_refused(serve, sent):
    served = serve()
    assert served.ask(sent).startswith(b"HTTP/1.1 400")
    assert served.message == []


def test_a_head_without_end_is_refused(serve):
    served = serve()
    assert served.ask(b"GET / HTTP/1.1\r\nHost: x\r\n" + b"A: b\r\n" * 20_000).startswith(b"HTTP/1.1 431")
    assert served.message == []


def stream(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    yield b"one"
    yield b""
    yield b"two"


def test_an_answer_without_a_length_comes_in_pieces(serve):
    answer = serve(stream).ask(get())
    assert b"transfer-encoding: chunked" in answer.lower()
    assert answer.endswith(b"3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n")


def test_an_old_client_gets_it_whole(serve):
    answer = serve(stream).ask(b"GET / HTTP/1.0\r\nHost: x\r\n\r\n")
    assert b"chunked" not in answer.lower()
    assert answer.endswith(b"onetwo")


def test_head_gets_no_body(serve):
    answer = serve(stream).ask(get().replace(b"GET", b"HEAD"))
    assert answer.startswith(b"HTTP/1.1 200")
    assert b"one" not in answer


def test_an_application_that_fails_answers_500(serve):
    def fails(environ, start_response):
        raise RuntimeError("secret")

    answer = serve(fails).ask(get())
    assert answer.startswith(b"HTTP/1.1 500")
    assert b"secret" not in answer


def test_a_header_that_is_none_answers_500(serve):
    def odd(environ, start_response):
        start_response("200 OK", [("X-Odd", "a\r\nSet-Cookie: b")])
        return [b""]

    answer = serve(odd).ask(get())
    assert answer.startswith(b"HTTP/1.1 500")
    assert b"Set-Cookie" not in answer


def test_an_answer_that_breaks_off_does_not_look_whole(serve):
    def breaks(environ, start_response):
        start_response("200 OK", [])
        yield b"half"
        raise RuntimeError

    assert not serve(breaks).ask(get()).endswith(b"0\r\n\r\n")


def test_what_the_application_opened_is_closed(serve):
    closed = []

    class Parts(list):
        def close(self):
            closed.append(1)

    def application(environ, start_response):
        start_response("200 OK", [("Content-Length", "2")])
        return Parts([b"ok"])

    assert serve(application).ask(get()).endswith(b"ok")
    assert closed == [1]


def test_the_space_before_a_cookie_of_djangos_is_dropped(serve):
    def application(environ, start_response):
        start_response("200 OK", [("Content-Length", "2"), ("Set-Cookie", " a=b; Path=/")])
        return [b"ok"]

    answer = serve(application).ask(get())
    assert b"Set-Cookie: a=b; Path=/\r\n" in answer
    assert answer.endswith(b"ok")
