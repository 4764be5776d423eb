"""Shared fixtures, and the reasons for skipping tests; with LUNASITE_NOTHING_SKIPPED=1 a skip is a failure."""

import ast
import gc
import itertools
import os
import re
import shutil
from collections import Counter, defaultdict
from functools import lru_cache
from pathlib import Path

import hypothesis
import pytest

ROOT = Path(__file__).parent
REAL_DATA = Path(os.environ.get("LUNASITE_REAL_DATA", ROOT.parent / "shared" / "data"))
HAS_PASSED = pytest.StashKey[bool]()
FOLDERS = itertools.count()
DATABASE = {"db", "transactional_db", "live_server"}
# How long an example takes says how busy the machine is, not whether the code is right.
hypothesis.settings.register_profile(
    "any machine", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("any machine")
WHOLE_FILE = re.compile(r"^pytestmark = (?:\[\n.*?^\]|.*?$)", re.M | re.S)


DEPLOY_TOOLS = {
    "docker-compose": "docker-compose", "kubectl": "kubernetes-client", "nginx": "nginx", "promtool": "prometheus",
    "systemd-analyze": "systemd",
}  # fmt: skip


@lru_cache
def missing_service(marker: str) -> str | None:
    """Return why a marked test cannot run here, or None; looked up once a marker and not for each of 5,000 tests."""
    needs = {
        "engine": (bool(os.environ.get("DOCKER_HOST")), "no Docker engine: run `make services`"),
        "podman": (bool(os.environ.get("LUNASITE_TEST_PODMAN")), "no podman: run `make services`"),
        "slurm": (bool(os.environ.get("LUNASITE_TEST_SLURM")), "no Slurm cluster: run `make services`"),
        "s3": (bool(os.environ.get("LUNASITE_TEST_S3_ENDPOINT")), "no S3 server: run `make services`"),
        "registry": (bool(os.environ.get("LUNASITE_TEST_REGISTRY")), "no registry: run `make services`"),
        "postgres": (
            os.environ.get("LUNASITE_TEST_DATABASE_URL", "").startswith("postgres"),
            "not on PostgreSQL: `make test` runs these in a pass of their own after `make services`",
        ),
        "browser": (bool(shutil.which("chromium")), "no Chromium: apt-get install chromium"),
        "realdata": (REAL_DATA.is_dir(), "no real CT data: set LUNASITE_REAL_DATA"),
    }
    if absent := [package for tool, package in DEPLOY_TOOLS.items() if not shutil.which(tool)]:
        needs["deploy"] = (False, f"tools of deployment are missing: apt-get install {' '.join(absent)}")
    is_there, reason = needs.get(marker, (True, ""))
    return None if is_there else reason


def may_be_chosen(expression: ast.expr, marks: set[str]) -> bool | None:
    """Evaluate `-m` for a test that has these marks and others that are not known; None: those decide."""
    match expression:
        case ast.Name(id=name):
            return True if name in marks else None
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            value = may_be_chosen(operand, marks)
            return None if value is None else not value
        case ast.BoolOp(op=op, values=parts):
            values = [may_be_chosen(part, marks) for part in parts]
            decisive = isinstance(op, ast.Or)
            return decisive if decisive in values else None if None in values else not decisive
    return None


def marks_of(path: Path) -> set[str]:
    """Return the marks that a file gives to all of its tests, without importing it."""
    found = WHOLE_FILE.search(path.read_text())
    return set(re.findall(r"\bmark\.(\w+)", found[0])) if found else set()


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Do not import a file that is left out as a whole: every third is, and some of those import torch."""
    if not config.option.markexpr or not collection_path.match("test_*.py"):
        return None
    expression = ast.parse(config.option.markexpr, mode="eval").body
    return True if may_be_chosen(expression, marks_of(collection_path)) is False else None


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what asks for the real data, so that it is left out where there is none.

    Of a test that needs the database for each of many cases, mark all but three as slow: first, middle and last.
    """
    cases = defaultdict(list)
    for item in items:
        if "real_data" in getattr(item, "fixturenames", ()):
            item.add_marker("realdata")
        if item.get_closest_marker("django_db") or not DATABASE.isdisjoint(getattr(item, "fixturenames", ())):
            cases[item.nodeid.partition("[")[0]].append(item)
    for same in cases.values():
        for item in set(same) - {same[0], same[len(same) // 2], same[-1]}:
            item.add_marker("slow")


def pytest_runtest_setup(item: pytest.Item) -> None:
    for mark in item.iter_markers():
        if reason := missing_service(mark.name):
            pytest.skip(reason)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    report = outcome.get_result()
    if report.when == "call":
        item.stash[HAS_PASSED] = report.passed
    if report.skipped and os.environ.get("LUNASITE_NOTHING_SKIPPED") == "1" and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped although nothing may be: {report.longrepr}"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """List the skipped tests: for each reason, the files with their number of tests."""
    skipped = Counter(
        (report.longrepr[2].removeprefix("Skipped: "), report.nodeid.partition("::")[0])
        for report in terminalreporter.getreports("skipped")
        if isinstance(report.longrepr, tuple)
    )
    for reason in sorted({reason for reason, _ in skipped}):
        files = {file: count for (why, file), count in skipped.items() if why == reason}
        terminalreporter.section(f"{sum(files.values())} skipped: {reason}", sep="-")
        for file, count in sorted(files.items()):
            terminalreporter.write_line(f"{count:5} {file}")


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Name bytes by their argument: some contain the time of day, but all processes must agree on a test's name."""
    return argname if isinstance(val, bytes) else None


@pytest.fixture(scope="session")
def real_data() -> Path:
    return REAL_DATA


@pytest.fixture(autouse=True)
def nothing_remembered():
    """Forget what a process keeps for a few seconds, so that no test sees the state of another."""
    from lunasite.monitoring import status_page
    from submissions.actions import work
    from submissions.outages import pauses
    from submissions.presenters import waiting

    pauses.forget()
    waiting.forget()
    work.forget()
    status_page.recent.forget()


@pytest.fixture
def tmp_path(request, tmp_path):
    """Remove a test's folder unless the test failed.

    A test of an image writes it three times, 600 MB; pytest would keep the folders of three runs. Its own policy for
    that also frees the number of the run's folder, which another run then takes and loses.
    """
    yield tmp_path
    remove_if_passed(request, tmp_path)


@pytest.fixture(autouse=True)
def own_files(request, tmp_path_factory):
    """Give every test a separate folder for the site's files, and a cache of its own; remove it unless the test failed.

    The settings are changed in place and the two receivers called that this concerns: a signal to all of the dozens,
    before and after, took longer than the rest of what every test is given. The folder is made by who writes into it:
    on some disks a folder costs 3 ms, and few tests store a file.
    """
    from django.conf import settings
    from django.test.signals import clear_cache_handlers, storages_changed

    folder = tmp_path_factory.getbasetemp() / f"files-{next(FOLDERS)}"
    for name, place in (("default", "files"), ("datasets", "datasets")):
        settings.STORAGES[name]["OPTIONS"]["location"] = folder / place
    settings.CACHES["default"]["LOCATION"] = str(folder)
    storages_changed(setting="STORAGES")
    clear_cache_handlers(setting="CACHES")
    yield folder
    remove_if_passed(request, folder)


def remove_if_passed(request: pytest.FixtureRequest, folder: Path) -> None:
    if request.node.stash.get(HAS_PASSED, False):
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup, django_db_blocker):
    """Drop knox's token table, which this project's own model replaces.

    Knox's migrations still create the table, but no model of this project covers it. On PostgreSQL it refers to the
    users, so flushing the users between transactional tests would fail.
    """
    from django.db import connection

    with django_db_blocker.unblock(), connection.cursor() as cursor:
        cursor.execute("DROP TABLE IF EXISTS knox_authtoken")


@pytest.fixture
def asked():
    """Give what filters the statements that read a page's data, session and person out of CaptureQueriesContext.

    The counter of calls is left out: it is of one row whatever the page holds, and its first call makes the row.
    """

    def statements(queries) -> list[str]:
        every = (query["sql"] for query in queries)
        return [sql for sql in every if "http_callcount" not in sql and not sql.startswith(("SAVEPOINT", "RELEASE"))]

    return statements


def pytest_collection() -> None:
    """Do not look for garbage while 7,000 tests are made; they stay until the end."""
    gc.disable()


def pytest_collection_finish() -> None:
    gc.collect()
    gc.freeze()  # else each full collection would go through them all
    gc.enable()
