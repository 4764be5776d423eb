"""Model service on this machine: calls are answered by a local process."""

from pathlib import Path
from typing import Any

from inference.networks.answers import ModelFailed, ModelStatus, ModelUnavailable, ServiceStatus
from inference.networks.calls import ANSWER_TYPES, CALLS_WITHOUT_MODEL, AnyPath, ModelCalls
from inference.networks.config import ServiceConfig
from inference.networks.worker.process import ModelProcess
from inference.networks.worker.wire import ProtocolError, result_of

MODEL_NAMES = ("lesion", "slice")


class LocalService(ModelCalls):
    """Calls one model process that can be killed; any thread may call."""

    def __init__(self, config: ServiceConfig) -> None:
        self._config = config
        self.process = ModelProcess(config)

    def start(self) -> None:
        self.process.start()

    def close(self) -> None:
        self.process.close()

    def status(self) -> ServiceStatus:
        if not self._config.load_model:
            return self._all("off")
        self.process.revive()
        if self.process.is_ready:
            return ServiceStatus("cpu", self.process.statuses)
        return self._all("failed" if self.process.has_failed else "starting")

    def _all(self, state: str) -> ServiceStatus:
        return ServiceStatus("cpu", [ModelStatus(name, state) for name in MODEL_NAMES])

    def _ask(self, call: str, files: list[AnyPath], parameters: dict[str, Any], timeout_s: float) -> Any:
        if not self._config.load_model and call not in CALLS_WITHOUT_MODEL:
            raise ModelUnavailable
        paths = [str(Path(file).absolute()) for file in files]
        request = {"call": call, "files": paths, **parameters}
        try:
            return result_of(ANSWER_TYPES[call], self.process.ask(request, timeout_s))
        except ProtocolError as error:
            raise ModelFailed from error
