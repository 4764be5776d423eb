"""/health always answers, /ready says which part cannot work, /metrics names what docs/api.md promises."""

import os
import re
from datetime import timedelta

import pytest
from django.db import OperationalError
from django.test import Client
from django.utils import timezone
from django_q.tasks import async_task
from prometheus_client.parser import text_string_to_metric_families

from inference import prometheus
from inference.models import DriftRow
from inference.networks.answers import ModelStatus, ServiceStatus
from inference.tests.fake_engine import FakeEngine
from lunasite.monitoring import parts, status_page
from lunasite.monitoring.metrics.system import process_metrics
from submissions import mail
from submissions.models import Submission, Worker
from submissions.tests.factories import make_submission

NAMES = [
    "prediction_error_total", "system_cpu_percent", "system_memory_percent", "process_rss_bytes",
    "django_http_requests_total_by_method_total", "django_http_requests_latency_seconds_by_view_method_bucket",
    "queue_depth", "queue_oldest_seconds", "evaluations", "evaluation_wait_seconds_bucket",
    "evaluation_run_seconds_bucket", "leases_expired", "evaluation_failed_attempts_total", "predictions_total",
    "prediction_seconds_bucket", "drift_rows", "mail_waiting",
    "data_free_bytes", "workers", "worker_heartbeat_age_seconds", "database_up", "feedback_waiting",
]  # fmt: skip
WITH_LABELS = ["evaluation_failures", "engine_free_bytes", "part_up", "drift_share", "drift_psi"]


@pytest.fixture
def site(monkeypatch, settings, tmp_path) -> FakeEngine:
    """A fake model behind health and readiness, and collected static files."""
    fake = FakeEngine()
    settings.STATIC_ROOT = tmp_path / "static"
    settings.EMAIL_HOST = "mail.example.org"
    settings.STATIC_ROOT.mkdir()
    (settings.STATIC_ROOT / "staticfiles.json").write_text('{"paths": {"site.css": "site.0123456789ab.css"}}')
    for module in ("health", "parts", "status_page"):
        monkeypatch.setattr(f"lunasite.monitoring.{module}.engine", lambda: fake)
    status_page.recent.forget()
    return fake


def worker(cluster: str = "evaluations", **facts) -> Worker:
    now = timezone.now()
    return Worker.objects.create(
        **{"name": f"host/{cluster}", "host": "host", "cluster": cluster, "pid": 1, "started_at": now, "seen_at": now}
        | facts
    )


@pytest.mark.parametrize("url", ["/health", "/health/"])
def test_health_has_the_promised_keys_and_needs_no_database(client, site, url):
    answer = client.get(url)
    assert answer.status_code == 200
    body = answer.json()
    assert {"ok", "device", "model_loaded", "config_path", "model_path"} <= set(body)
    assert (body["ok"], body["device"], body["model_loaded"]) == (True, "cpu", True)
    assert body["lesion"] == {"loaded": True, "state": "loaded", "version": "fake-1"}


def test_health_shows_no_path_of_the_server(client, site, settings, tmp_path):
    settings.MODEL_PATH = tmp_path / "other.safetensors"
    body = client.get("/health").json()
    assert body["model_path"] == "other.safetensors"
    assert body["config_path"] == "inference/weights/slice.json"


def test_health_is_200_without_a_model(client, site):
    site.status = lambda: ServiceStatus("cpu", [ModelStatus("lesion", "missing"), ModelStatus("slice", "loaded")])
    answer = client.get("/health")
    assert answer.status_code == 200
    assert answer.json()["model_loaded"] is False
    assert answer.json()["lesion"]["state"] == "missing"


@pytest.mark.django_db
def test_ready_when_every_part_is(client, site):
    worker()
    answer = client.get("/ready")
    lines = answer.content.decode().splitlines()
    assert answer.status_code == 200, lines
    assert [line.split(":")[0] for line in lines] == [
        "database", "static files", "storage", "cache", "queue", "errands", "engine", "models", "mail", "proxy",
    ]  # fmt: skip


@pytest.mark.django_db
def test_images_that_no_worker_takes_are_a_problem_and_none_waiting_is_not(client, site):
    worker()
    assert "engine: ok" in client.get("/ready").content.decode()
    Submission.objects.filter(pk=make_submission().pk).update(submission_type="docker")
    assert "engine: WARNING, no container worker, 1 image waiting" in client.get("/ready").content.decode()


@pytest.mark.django_db
def test_mails_that_no_worker_sends_are_a_problem_and_none_waiting_is_not(client, site):
    worker()
    assert "errands: ok" in client.get("/ready").content.decode()
    async_task("submissions.mail.deliver", cluster="errands")
    assert (
        "errands: WARNING, no worker for mails, webhooks and imports, 1 waiting"
        in client.get("/ready").content.decode()
    )
    worker("errands")
    assert "errands: ok" in client.get("/ready").content.decode()


def broken() -> None:
    raise OperationalError("secret of the database")


BROKEN_PARTS = [
    ("queue", lambda site: Worker.objects.all().delete()),
    ("queue", lambda site: Worker.objects.update(seen_at=timezone.now() - timedelta(minutes=5))),
    ("queue", lambda site: Worker.objects.update(cluster="errands")),
    ("queue", lambda site: Worker.objects.update(cluster="containers", takes_containers=True)),
    ("engine", lambda site: worker("containers", takes_containers=False)),
    ("models", lambda site: setattr(site, "status", lambda: ServiceStatus("cpu", [ModelStatus("lesion", "failed")]))),
]


@pytest.mark.django_db
@pytest.mark.parametrize(("part", "break_it"), BROKEN_PARTS)
def test_a_part_that_is_away_is_a_warning_line_and_pages_are_served(client, site, part, break_it):
    worker()
    break_it(site)
    answer = client.get("/ready")
    warned = [line.split(":")[0] for line in answer.content.decode().splitlines() if "WARNING" in line]
    assert (answer.status_code, warned) == (200, [part])


@pytest.mark.django_db
def test_ready_warns_where_no_mail_server_confirms_addresses(client, site, settings):
    worker()
    settings.EMAIL_HOST = ""
    answer = client.get("/ready")
    assert answer.status_code == 200
    assert "mail: WARNING, no mail server, addresses are not confirmed" in answer.content.decode()


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("part", "status"), [("database", 503), ("static files", 503), ("storage", 200), ("cache", 200)]
)
def test_only_an_essential_part_that_raises_is_503_and_says_nothing_more(client, site, monkeypatch, part, status):
    worker()
    monkeypatch.setitem(parts.CHECKS, part, broken)
    answer = client.get("/ready")
    word = "FAILED" if status == 503 else "WARNING"
    assert answer.status_code == status
    assert f"{part}: {word}, does not answer" in answer.content.decode()
    assert "secret" not in answer.content.decode()


@pytest.mark.django_db
def test_uncollected_static_files_are_not_ready(client, site, settings, tmp_path):
    worker()
    settings.STATIC_ROOT = tmp_path
    assert "static files: FAILED, not collected" in client.get("/ready").content.decode()


@pytest.mark.django_db
def test_the_status_page_tells_people_and_machines_the_same(client, site):
    worker()
    worker("containers", takes_containers=False)
    worker("errands")
    page = client.get("/status")
    assert page.status_code == 200
    assert "You can read every page, but a part of the site has a problem." in page.content.decode()
    assert set(status_page.FOR_PEOPLE) == set(parts.CHECKS)
    told = client.get("/status", headers={"Accept": "application/json"}).json()
    assert told["status"] == "degraded"
    assert told["parts"]["engine"]["is_ok"] is False
    assert [queue["workers"] for queue in told["queues"]] == [1, 1, 1]
    assert told["models"][0] == {"name": "lesion", "state": "loaded", "version": "fake-1"}


@pytest.mark.django_db
def test_the_status_page_is_503_when_the_database_is_away(client, site, monkeypatch):
    monkeypatch.setitem(parts.CHECKS, "database", broken)
    told = client.get("/status?format=json")
    assert told.status_code == 503
    assert (told.json()["status"], told.json()["queues"]) == ("down", [])


def values(text: str) -> dict[str, float]:
    pairs = (line.rsplit(" ", 1) for line in text.splitlines() if line and not line.startswith("#"))
    return {name: float(value) for name, value in pairs}


@pytest.mark.django_db
@pytest.mark.slow
def test_metrics_name_everything(client, site):
    worker(engine_free_bytes=123)
    prometheus.observe("lesion", 200, 0.2, "v1")
    text = client.get("/metrics").content.decode()
    found = {name.partition("{")[0] for name in values(text)}
    assert set(NAMES) <= found, set(NAMES) - found
    for name in set(WITH_LABELS) - found:
        assert f"# TYPE {name} " in text


# What Prometheus 3 asks for, which refuses an answer of an unknown type (pretix/pretix#5133, case 33).
PROMETHEUS_ACCEPT = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5"


@pytest.mark.slow
@pytest.mark.django_db
def test_metrics_are_of_a_type_prometheus_knows_and_only_rise(client, site):
    before: dict[str, float] = {}
    for _ in range(12):
        answer = client.get("/metrics", headers={"Accept": PROMETHEUS_ACCEPT})
        assert re.match(r"text/plain; version=(0\.0\.4|1\.0\.0)", answer["Content-Type"])
        text = answer.content.decode()
        families = list(text_string_to_metric_families(text))
        kinds = {family.name: family.type for family in families}
        assert len(kinds) == len(families)
        now = {
            f"{sample.name}{sorted(sample.labels.items())}": sample.value
            for family in families
            if family.type == "counter"
            for sample in family.samples
            if sample.name.endswith("_total")
        }
        assert all(now[name] >= value for name, value in before.items())
        before = now
    assert before


@pytest.mark.django_db
def test_metrics_count_workers_of_several_hosts(client, site):
    worker(name="a", engine_free_bytes=50, seen_at=timezone.now() - timedelta(seconds=90))
    worker(name="b", engine_free_bytes=40)
    figures = values(client.get("/metrics").content.decode())
    assert figures['workers{queue="evaluations"}'] == 2
    assert figures['engine_free_bytes{queue="evaluations"}'] == 40
    assert figures['worker_heartbeat_age_seconds{queue="evaluations"}'] < 60
    assert 89 < figures['worker_heartbeat_age_max_seconds{queue="evaluations"}'] < 150


@pytest.mark.django_db
def test_a_queue_without_workers_keeps_its_series(client, site):
    figures = values(client.get("/metrics").content.decode())
    for queue in ("evaluations", "containers", "errands"):
        assert figures[f'workers{{queue="{queue}"}}'] == 0
        assert figures[f'worker_heartbeat_age_seconds{{queue="{queue}"}}'] == float("inf")


@pytest.mark.slow
@pytest.mark.django_db
def test_metrics_say_which_part_is_away(client, site, monkeypatch):
    monkeypatch.setitem(parts.CHECKS, "cache", broken)
    figures = values(client.get("/metrics").content.decode())
    assert (figures['part_up{part="cache"}'], figures['part_up{part="static_files"}']) == (0, 1)


@pytest.mark.slow
@pytest.mark.django_db
def test_drift_is_not_told_from_fewer_than_20_rows(client, site):
    def add(number: int) -> None:
        statistics = dict.fromkeys(("mean", "std", "min", "max", "p01", "p50", "p99", "pred_conf"), 1.0)
        for _ in range(number):
            DriftRow.objects.create(
                timestamp=timezone.now(), height=9, width=9, pred_index=0, pred_class="normal", **statistics
            )

    add(19)
    assert "drift_share" not in values(client.get("/metrics").content.decode())
    add(1)
    figures = values(client.get("/metrics").content.decode())
    assert figures["drift_rows"] == 20
    assert figures["drift_share"] > 0


@pytest.mark.slow
@pytest.mark.django_db
def test_a_refused_mail_is_counted_until_it_is_sent(client, site, monkeypatch):
    def refuse(*args: object) -> None:
        raise OSError("mail server away")

    monkeypatch.setattr(mail, "send_mail", refuse)
    mail.deliver("subject", "body", "from@example.org", "to@example.org")
    assert values(client.get("/metrics").content.decode())["mail_waiting"] == 1


@pytest.mark.slow
@pytest.mark.django_db
def test_several_web_processes_each_have_the_standard_process_metrics(client, site):
    one = client.get("/metrics").content.decode()
    assert values(one)["process_resident_memory_bytes"] > 0
    several = {family.name: family for family in process_metrics()}
    assert {
        "process_resident_memory_bytes",
        "process_cpu_seconds",
        "process_open_fds",
        "process_start_time_seconds",
    } < set(several)
    pids = {sample.labels["pid"] for sample in several["process_resident_memory_bytes"].samples}
    assert str(os.getpid()) in pids


@pytest.mark.django_db
@pytest.mark.parametrize("proxied", ["BEHIND_PROXY", "PROXY_COUNT"])
def test_behind_a_proxy_metrics_without_a_token_are_for_nobody(client, site, settings, proxied):
    settings.BEHIND_PROXY = proxied == "BEHIND_PROXY"
    settings.REST_FRAMEWORK = settings.REST_FRAMEWORK | {"NUM_PROXIES": int(proxied == "PROXY_COUNT")}
    assert client.get("/metrics", REMOTE_ADDR="127.0.0.1").status_code == 401


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("token", "headers", "address", "status"),
    [
        ("", {}, "127.0.0.1", 200),
        ("", {}, "::ffff:127.0.0.1", 200),
        ("", {}, "192.0.2.7", 401),
        ("", {"X-Forwarded-For": "192.0.2.7"}, "127.0.0.1", 401),
        ("s3cret", {}, "127.0.0.1", 401),
        ("s3cret", {"Authorization": "Bearer wrong"}, "127.0.0.1", 401),
        ("s3cret", {"Authorization": "Bearer s3cret"}, "192.0.2.7", 200),
    ],
)
def test_metrics_are_for_the_token_or_this_machine(client, site, settings, token, headers, address, status):
    settings.METRICS_TOKEN = token
    assert client.get("/metrics", headers=headers, REMOTE_ADDR=address).status_code == status


@pytest.mark.django_db
def test_metrics_answer_while_the_database_is_away(client, site, monkeypatch):
    monkeypatch.setattr("lunasite.monitoring.metrics.database.READERS", (broken,))
    text = client.get("/metrics").content.decode()
    assert values(text)["database_up"] == 0
    assert "system_cpu_percent" in text


@pytest.mark.parametrize(
    "url", ["/health", "/ready", "/live", "/metrics", "/status", "/robots.txt", "/sitemap.xml", "/news.atom"]
)
@pytest.mark.django_db  # other addresses ask whether the site is being maintained
def test_only_reading_is_allowed(url):
    answer = Client(enforce_csrf_checks=True).patch(url)
    assert (answer.status_code, answer.json()["error_code"]) == (405, "METHOD_NOT_ALLOWED")
