"""A real Chromium on the live site. Every page is watched: a request that leaves the site, a blocked script or an
error in the console fails the test that opened it.
"""

import os
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import sync_playwright

# Playwright's sync API runs an event loop in this thread; Django would refuse the ORM beside it.
os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "1"

CHROMIUM = {
    "executable_path": "/usr/bin/chromium",
    # The software renderer: WebGL 2, which the CT viewer needs, without a graphics card.
    "args": [
        "--headless",
        "--no-sandbox",
        "--disable-background-networking",
        "--use-angle=swiftshader",
        "--enable-unsafe-swiftshader",
    ],
}


@pytest.fixture(scope="session")
def chromium():
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(**CHROMIUM)
        yield browser
        browser.close()


class Watched:
    """What a page asked for and complained about."""

    def __init__(self, page, host):
        self.left_the_site, self.complaints, self.host, self.page = [], [], host, page
        page.on("request", self.note_request)
        page.on("console", self.note_console)
        page.on("pageerror", lambda error: self.complaints.append(f"{page.url}: {error}"))

    def note_request(self, request):
        address = urlsplit(request.url)
        if address.scheme not in ("data", "blob", "about") and address.netloc != self.host:
            self.left_the_site.append(request.url)

    def note_console(self, message):
        # Chromium reports each 4xx answer as an error of its own; those answers are what the tests ask for.
        is_answer = "Failed to load resource" in message.text
        is_of_the_renderer = "GL Driver Message" in message.text and "Performance" in message.text
        if message.type in ("error", "warning") and not (is_answer or is_of_the_renderer):
            self.complaints.append(f"{self.page.url}: {message.text}")


@pytest.fixture
def open_page(chromium, live_server):
    """Return a function that opens a watched page; `signed_in` gives it somebody's session."""
    opened = []

    def open_it(signed_in=None, **options):
        context = chromium.new_context(base_url=live_server.url, **options)
        context.set_default_timeout(10_000)
        if signed_in is not None:
            context.add_cookies([session_of(signed_in, live_server.url)])
        page = context.new_page()
        opened.append((context, Watched(page, urlsplit(live_server.url).netloc)))
        return page

    yield open_it
    for context, _ in opened:
        context.close()
    assert [url for _, watched in opened for url in watched.left_the_site] == []
    assert [text for _, watched in opened for text in watched.complaints] == []


def session_of(user, url):
    from django.test import Client

    client = Client()
    client.force_login(user)
    return {"name": "sessionid", "value": client.cookies["sessionid"].value, "url": url}


@pytest.fixture
def page(open_page):
    return open_page()
