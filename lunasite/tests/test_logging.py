"""Logs: one line an event, whatever strangers put into it (threat T61)."""

import io
import logging

import pytest
import structlog

from lunasite.logging import logging_config

FORGED = "name\n2030-01-01 level='error' event='forged'\r\x1b[31mred"


@pytest.fixture
def written():
    """Return what a logger of each style writes; the site's own configuration comes back afterwards."""
    before = structlog.get_config()

    def write(style, tell):
        options = dict(logging_config(style, "INFO")["formatters"]["structured"])
        stream = io.StringIO()
        handler = logging.StreamHandler(stream)
        handler.setFormatter(options.pop("()")(**options))
        logger = logging.getLogger(f"lunasite.tests.{style}")
        logger.handlers, logger.propagate = [handler], False
        tell(logger)
        return stream.getvalue()

    yield write
    structlog.configure(**before)


def tell_plainly(logger):
    logger.warning("refused %s", FORGED)


def tell_structured(logger):
    structlog.wrap_logger(logger).warning("refused", name=FORGED)


def tell_an_exception(logger):
    try:
        raise ValueError(FORGED)
    except ValueError:
        logger.exception("failed")


@pytest.mark.parametrize("style", ["line", "json"])
@pytest.mark.parametrize("tell", [tell_plainly, tell_structured, tell_an_exception])
def test_an_event_is_one_line_whatever_it_holds(written, style, tell):
    text = written(style, tell)
    assert "forged" in text
    assert text.count("\n") == 1
    assert text.endswith("\n")
    assert not {"\r", "\x1b"} & set(text)
