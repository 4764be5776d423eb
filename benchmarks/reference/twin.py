# ruff: noqa: N803 the field names are the contract's
"""The twin: FastAPI with lunasite's own reading and model path, in its own process, as many workers as the site.

It keeps no log, knows no users and cannot stop late work: what is left of the difference is what those cost.
"""

import os
import shutil
import tempfile
from pathlib import Path

from fastapi import FastAPI, Form, UploadFile

from inference.networks.config import ServiceConfig
from inference.networks.worker.loading import load_jobs, use_one_thread

use_one_thread()
weights = Path(os.environ["WEIGHTS_DIR"])
paths = ServiceConfig(
    config_path=weights / "slice.json", model_path=weights / "slice.safetensors",
    lesion_config_path=weights / "lesion.json", lesion_model_path=weights / "lesion.safetensors",
)  # fmt: skip
jobs, _ = load_jobs(lesion=paths.lesion_paths, slices=paths.slice_paths)
app = FastAPI()


@app.get("/health")
def health() -> dict[str, bool]:
    return {"ok": True}


@app.post("/predict")
def predict(file: UploadFile, coordX: float = Form(), coordY: float = Form(), coordZ: float = Form()) -> dict:
    with tempfile.NamedTemporaryFile(suffix=".mha") as target:
        shutil.copyfileobj(file.file, target, 1 << 20)
        target.flush()
        request = {"call": "lesion_probability", "files": [target.name], "points": [(coordX, coordY, coordZ)]}
        probability = jobs.run(request).probabilities[0]
    return {"status": "success", "data": {"probability": probability, "predictionLabel": int(probability >= 0.5)}}
