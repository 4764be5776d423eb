"""Markdown of organisers: tables and links, and nothing that runs or calls another site."""

import re
import time
from html.parser import HTMLParser

import pytest

from submissions.text.markdown import plain, render

SCHEME = re.compile(r"[\s\x00-\x1f]*([a-z][a-z0-9+.-]*):", re.IGNORECASE)
OWN = "/challenges/lung/images/0123456789abcdef0123456789abcdef.png"


class Elements(HTMLParser):
    """Collect what a browser makes elements of."""

    def __init__(self):
        super().__init__()
        self.found = []

    def handle_starttag(self, tag, attributes):
        self.found.append((tag, dict(attributes)))


def test_headings_tables_and_links_are_shown():
    html = render("# Task\n\n[rules](https://example.org) and ~~old~~ **new**\n\n| a | b |\n|---|---|\n| 1 | 2 |")
    assert "<h2>Task</h2>" in html  # the page itself has the <h1>
    assert '<a href="https://example.org" rel="noopener nofollow">rules</a>' in html
    assert "<td>2</td>" in html
    assert "<s>old</s> <strong>new</strong>" in html


@pytest.mark.parametrize(
    "attack",
    [
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "<svg/onload=alert(1)>",
        "<iframe src=https://evil.example></iframe>",
        "<style>*{display:none}</style>",
        "[x](javascript:alert(1))",
        "[x](JaVaScRiPt:alert(1))",
        "[x](java&#10;script:alert(1))",
        "[x](&#106;avascript:alert(1))",
        "[x](data:text/html;base64,PHNjcmlwdD4=)",
        "[x](vbscript:x)",
        "<javascript:alert(1)>",
        '[x](https://a.example "t\\" onmouseover=\\"alert(1)")',
        "![x](javascript:alert(1))",
        "![x](data:image/svg+xml;base64,PHN2Zz4=)",
        '![x" onerror="alert(1)](https://evil.example/x.png)',
        "![x](https://evil.example/x.png)",
        "![x](//evil.example/x.png)",
        f"![x]({OWN}/../../../account/)",
        "[x]: javascript:alert(1)\n\n[x]",
        "```<script>alert(1)</script>\n```",
        "<a href=javascript:alert(1)>x</a>",
        "<math><mi//xlink:href='data:x,<script>alert(4)</script>'>",
    ],
)
def test_no_attack_becomes_an_element_or_an_address(attack):
    html = render(f"before\n\n{attack}\n\nafter")
    seen = Elements()
    seen.feed(html)
    assert {tag for tag, _ in seen.found} <= {"p", "a", "pre", "code", "br"}
    for _, attributes in seen.found:
        assert set(attributes) <= {"href", "title", "rel"}
        scheme = SCHEME.match(attributes.get("href") or "")
        assert scheme is None or scheme[1].lower() in ("http", "https", "mailto")
    assert html.startswith("<p>before</p>")
    assert html.endswith("<p>after</p>\n")


def test_a_quote_cannot_leave_its_attribute():
    html = render('[x](https://a.example "t\\" onmouseover=\\"alert(1)")')
    assert 'title="t&quot; onmouseover=&quot;alert(1)"' in html


def test_only_uploaded_pictures_are_shown():
    assert f'<img src="{OWN}" alt="A slice">' in render(f"![A slice]({OWN})")
    assert "[picture not shown: a tracker]" in render("![a tracker](https://evil.example/x.png)")


def test_plain_is_text_without_markup():
    assert plain("# A & B\n\n*one* `<b>` <script>x</script>") == "A & B one <b> <script>x</script>"


def test_deep_nesting_and_length_stay_cheap():
    assert len(render(">" * 2000 + " deep")) < 10_000
    assert len(render("*" * 20_000)) < 100_000


@pytest.mark.slow
def test_brackets_without_end_stay_cheap():
    """Six seconds a text, in a search forty times, where each of them was followed to the end."""
    before = time.process_time()
    assert "[[[" in render("[" * 50_000)
    assert "[[[" in plain("![" * 24_000 + "[[[")
    assert time.process_time() - before < 2


def test_many_links_still_are_links():
    assert render("[a](https://example.org/) " * 1000).count("<a ") == 1000
