"""The OpenAPI schema tells the truth: schemathesis calls every inference endpoint from it and finds nothing."""

import json

import pytest
import schemathesis
from django.core.signals import request_finished, request_started
from django.core.wsgi import get_wsgi_application
from django.db import close_old_connections
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as hypothesis_settings
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import positive_data_acceptance

pytestmark = [pytest.mark.django_db, pytest.mark.slow]
EXAMPLES = 15
# No schema can say what a CT file is, so valid requests with made-up bytes in the file are rightly refused.
UNFIT = [positive_data_acceptance]


@pytest.fixture
def one_connection():
    """Keep the connection between requests: the database of a test lives as long as it."""
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    yield
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)


def endpoints() -> list[str]:
    return ["predict/lesion", "predict/lesion/batch", "predict/ct", "predict/ct/batch", "feedback"]


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=lambda mode: mode.value)
@pytest.mark.parametrize("endpoint", endpoints())
def test_the_api_does_what_its_schema_says(fake, folders, token, settings, one_connection, endpoint, mode):
    framework = settings.REST_FRAMEWORK
    settings.REST_FRAMEWORK = {**framework, "DEFAULT_THROTTLE_RATES": {}}
    schema = schemathesis.openapi.from_wsgi("/api/v1/schema", get_wsgi_application())
    operation = schema[f"/api/v1/{endpoint}"]["POST"]

    @given(case=operation.as_strategy(generation_mode=mode))
    @hypothesis_settings(
        max_examples=EXAMPLES, deadline=None, derandomize=True, database=None,
        phases=[Phase.generate], suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    def call(case):
        case.call_and_validate(headers={"Authorization": f"Bearer {token}"}, excluded_checks=UNFIT)

    call()


def test_the_schema_lists_each_endpoint_once(client):
    paths = json.loads(client.get("/api/v1/schema", headers={"Accept": "application/json"}).content)["paths"]
    ours = {path for path in paths if "predict" in path or "feedback" in path}
    assert ours == {
        "/api/v1/predict/lesion", "/api/v1/predict/lesion/batch",
        "/api/v1/predict/ct", "/api/v1/predict/ct/batch", "/api/v1/feedback",
    }  # fmt: skip
    assert all("post" in paths[path] and len(paths[path]) == 1 for path in ours)
