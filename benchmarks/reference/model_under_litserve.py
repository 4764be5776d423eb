"""Our model under LitServe: a candidate of decision 10.

python -m benchmarks.reference.model_under_litserve PORT PROCESSES TIMEOUT_S
"""

import sys
from typing import Any

import litserve

from benchmarks.reference.model_over_connection import load_lesion_jobs
from inference.networks.worker.wire import to_json


class Lesions(litserve.LitAPI):
    def setup(self, device: str) -> None:
        self.jobs = load_lesion_jobs()

    def predict(self, request: dict[str, Any]) -> dict[str, Any]:
        return {"answer": to_json(self.jobs.run(request))}


if __name__ == "__main__":
    port, processes, timeout_s = (int(word) for word in sys.argv[1:])
    server = litserve.LitServer(
        Lesions(), accelerator="cpu", workers_per_device=processes, timeout=timeout_s, restart_workers=True,
        fast_queue=False,
    )  # fmt: skip
    server.run(host="127.0.0.1", port=port, log_level="error", generate_client_file=False)
