"""The data for a trial at home: a phase's sample cases and limits, and the programs that run them."""

from __future__ import annotations

from typing import Any

from django.http import FileResponse, Http404, HttpRequest, StreamingHttpResponse
from django.urls import reverse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from lunasite.client.driver_archive import driver_archive
from lunasite.client.made_up import MadeUpCase, made_up_cases
from lunasite.client.runner_zip import runner_zip
from lunasite.http.errors import ApiError
from lunasite.http.limits.throttling import ExactThrottle
from lunasite.http.negotiation import IgnoreAcceptNegotiation
from submissions.failures import FAILURES
from submissions.models import Case, Phase
from submissions.phases.http_adapter import checked_adapter, checked_endpoint, checked_folders
from submissions.runner.contracts import contracts_for
from submissions.worker.case_files import image_pieces, trial_cases

IMAGE_TYPE = "application/octet-stream"
IMAGE_TYPES = {".png": "image/png", ".jpg": "image/jpeg", ".jpeg": "image/jpeg"}
PARAMETERS = [
    OpenApiParameter("contract", str, description="default: the phase's first"),
    OpenApiParameter("model_endpoint", str, description="as when submitting; checked"),
    OpenApiParameter("adapter", str, description="JSON, as when submitting; checked"),
    OpenApiParameter("writable_folders", str, description="as when submitting; checked"),
]


class PhaseView(APIView):
    """A view below a phase that takes images; signed in."""

    throttle_classes = [ExactThrottle]
    throttle_scope = "pages"
    content_negotiation_class = IgnoreAcceptNegotiation

    def phase(self, slug: str) -> Phase:
        phase = Phase.objects.visible_to(self.request.user).filter(slug=slug, accepts_docker=True).first()
        if phase is None or not contracts_for(phase.kind):
            raise Http404
        return phase


class TrialView(PhaseView):
    @extend_schema(operation_id="phases_trial", parameters=PARAMETERS, responses=OpenApiTypes.OBJECT)
    def get(self, request: Request, slug: str) -> Response:
        """What a client needs to try an image at home as the platform will: cases, limits, runner, driver image."""
        phase, requested = self.phase(slug), request.query_params
        return Response(
            {
                "phase": phase.slug,
                "kind": phase.kind.name,
                "data": phase.dataset.content_hash[:32],
                "limits": phase.limits().as_dict(),
                "contract": asked_contract(phase, requested.get("contract", "")),
                "model_endpoint": checked_endpoint(requested.get("model_endpoint", "")),
                "adapter": checked_adapter(requested.get("adapter", "")),
                "slugs": phase.batch_slugs,
                "writable_folders": checked_folders(requested.get("writable_folders", "")),
                **handed_out(phase),
                "failures": {
                    code: {"stage": item.stage, "sentence": item.sentence, "happened": item.happened}
                    for code, item in FAILURES.items()
                },
                **programs(request._request),
            }
        )


def asked_contract(phase: Phase, requested: str) -> str:
    """Return the name of the contract. Raises ApiError 400 for one that does not serve the phase."""
    names = [contract.name for contract in contracts_for(phase.kind)]
    if requested and requested not in names:
        raise ApiError(400, "VALIDATION_ERROR", f"contract is one of {', '.join(names)}.", field="contract")
    return requested or names[0]


def handed_out(phase: Phase) -> dict[str, Any]:
    """Return the cases in the runner's format; several cases may share an image, and so a file."""
    samples = trial_cases(phase.dataset)
    if not samples:
        return {"is_made_up": True, "cases": [_made_up(phase, case) for case in made_up_cases(phase.kind)]}
    numbers: dict[str, int] = {}
    return {
        "is_made_up": False,
        "cases": [_sample(phase, case, numbers.setdefault(case.image, len(numbers))) for case in samples],
    }


def _sample(phase: Phase, case: Case, number: int) -> dict[str, Any]:
    series = phase.kind.series_key(case.facts) or case.public_id
    return {"id": case.public_id, "series": series, "facts": case.facts} | _image(phase, number, _suffix(case.image))


def _made_up(phase: Phase, case: MadeUpCase) -> dict[str, Any]:
    name = f"made-up-{case.number}"
    return {"id": name, "series": name, "facts": case.facts} | _image(phase, case.number, case.suffix)


def _image(phase: Phase, number: int, suffix: str) -> dict[str, Any]:
    return {"file": f"{number}{suffix}", "image": reverse("api_trial_image", args=[phase.slug, number])}


def _suffix(key: str) -> str:
    return "." + key.rpartition(".")[2].lower()


def programs(request: HttpRequest) -> dict[str, Any]:
    """Return the addresses and digests of the runner and of the driver image."""
    driver = driver_archive()
    return {
        "runner": {"url": reverse("client_runner"), "sha256": runner_zip()[1]},
        "driver": {
            "url": reverse("client_driver"),
            "sha256": driver.sha256,
            "image_id": driver.image_id,
            "size": driver.size_bytes,
        },
    }


class TrialImageView(PhaseView):
    @extend_schema(
        operation_id="phases_trial_image", responses={(200, "application/octet-stream"): OpenApiTypes.BINARY}
    )
    def get(self, request: Request, slug: str, number: int) -> Any:
        """The image of a sample case, or of a made-up one, as a container gets it."""
        phase = self.phase(slug)
        images = list(dict.fromkeys(case.image for case in trial_cases(phase.dataset)))
        if not images:
            return self._made_up(phase, number)
        if number >= len(images):
            raise Http404
        suffix = _suffix(images[number])
        response = StreamingHttpResponse(image_pieces(images[number]))
        response.may_change_threads = True  # type: ignore[attr-defined]  # no thread waits for it
        return _as_file(response, f"{number}{suffix}", suffix)

    def _made_up(self, phase: Phase, number: int) -> Any:
        case = next((case for case in made_up_cases(phase.kind) if case.number == number), None)
        if case is None:
            raise Http404
        return _as_file(FileResponse(case.file().open("rb")), f"{number}{case.suffix}", case.suffix)


def _as_file(response: Any, name: str, suffix: str) -> Any:
    response["Content-Type"] = IMAGE_TYPES.get(suffix, IMAGE_TYPE)
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    return response
