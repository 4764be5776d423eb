"""Take pictures of a running site: light, dark and phone width, for looking at and for the README.

    python docs/screenshots.py --url http://localhost:8000 --user ann --password … --out /tmp/pictures / /team/

Pages are paths; without any, the main ones. Needs Playwright and Debian's chromium.
"""

import argparse
import sys
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

# Of those that the picture shows: lazy ones further down are never asked for.
PICTURES_ARE_THERE = """() => [...document.images].every((image) =>
    image.complete && image.naturalWidth || image.getBoundingClientRect().top > window.innerHeight)"""
PAGES = ["/", "/submissions/", "/team/", "/account/", "/accounts/login/", "/accounts/signup/"]
LOOKS = {
    "light": {"viewport": {"width": 1200, "height": 900}, "color_scheme": "light"},
    "dark": {"viewport": {"width": 1200, "height": 900}, "color_scheme": "dark"},
    "phone": {"viewport": {"width": 390, "height": 844}, "color_scheme": "light", "device_scale_factor": 2},
}
CHROMIUM = {
    "executable_path": "/usr/bin/chromium",
    "args": ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"],
}


def log_in(page: Page, url: str, user: str, password: str) -> None:
    page.goto(f"{url}/accounts/login/")
    page.fill("#id_login", user)
    page.fill("#id_password", password)
    page.click("main button.primary")
    page.wait_for_load_state()


def sanitize_filename(path: str, look: str) -> str:
    return f"{path.strip('/').replace('/', '_').replace('?', '_') or 'home'}-{look}.png"


def take(browser: Browser, options: argparse.Namespace, look: str) -> None:
    context = browser.new_context(**LOOKS[look])
    page = context.new_page()
    page.on("console", lambda message: print(f"{page.url}: {message.text}", file=sys.stderr))
    if options.user:
        log_in(page, options.url, options.user, options.password)
    for path in options.pages or PAGES:
        page.goto(options.url + path)
        page.wait_for_function(PICTURES_ARE_THERE)
        picture = options.out / sanitize_filename(path, look)
        page.screenshot(path=picture, full_page=not options.fold)
        make_small(picture)
    context.close()


def make_small(picture: Path) -> None:
    """Keep 128 colours: pages have few, and the file is a quarter as large."""
    Image.open(picture).convert("RGB").quantize(128).save(picture, optimize=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", default="http://localhost:8000")
    parser.add_argument("--user", default="")
    parser.add_argument("--password", default="")
    parser.add_argument("--out", type=Path, default=Path("docs/images"))
    parser.add_argument("--look", action="append", choices=list(LOOKS), help="may be given several times")
    parser.add_argument("--fold", action="store_true", help="only what fits the window")
    parser.add_argument("pages", nargs="*")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(**CHROMIUM)
        for look in options.look or LOOKS:
            take(browser, options, look)
        browser.close()


if __name__ == "__main__":
    main()
