# ruff: noqa: N803 the field names are the contract's
"""The reference: one FastAPI process, `async def`, everything as the earlier systems do it.

Temporary file, SimpleITK.ReadImage, a copy as numpy array, scipy's affine_transform to a cube, eager forward. The
weights are the site's own; only the way to them differs. WEIGHTS_DIR says where they lie.
"""

import os
import tempfile
from pathlib import Path

import numpy as np
import scipy.ndimage
import SimpleITK
import torch
from fastapi import FastAPI, Form, UploadFile

from inference.networks.model.weights import load_network, read_config

WEIGHTS_DIR = Path(os.environ["WEIGHTS_DIR"])
LEAN = os.environ.get("LEAN") == "1"
CUBE_MM, CUBE_SIDE = 50.0, 64
torch.set_num_threads(1)
config = read_config(WEIGHTS_DIR / "lesion.json")
network = load_network(config, WEIGHTS_DIR / "lesion.safetensors")
spec = config.crop_spec()
app = FastAPI()


@app.get("/health")
async def health() -> dict[str, bool]:
    return {"ok": True}


@app.post("/predict")
async def predict(file: UploadFile, coordX: float = Form(), coordY: float = Form(), coordZ: float = Form()) -> dict:
    with tempfile.NamedTemporaryFile(suffix=".mha") as target:
        target.write(await file.read())
        target.flush()
        image = SimpleITK.ReadImage(target.name)
    crop = network_crop(image, (coordX, coordY, coordZ))
    with torch.inference_mode():
        probability = float(network(torch.from_numpy(crop)[None])[0])
    return {"status": "success", "data": {"probability": probability, "predictionLabel": int(probability >= 0.5)}}


def network_crop(image: SimpleITK.Image, point_xyz_mm: tuple[float, float, float]) -> np.ndarray:
    """Return what the network takes, (1, Z, Y, X) in 0..1, by scipy from a copy of the whole volume.

    The earlier systems make a cube of 50 mm and 64 x 64 x 64 voxels for every lesion; ours takes less,
    which is cut
    out of that cube. With LEAN=1 the crop is taken from the volume at once.
    """
    volume = SimpleITK.GetArrayFromImage(image).astype(np.float32)
    center = np.array(image.TransformPhysicalPointToContinuousIndex(point_xyz_mm))[::-1]
    spacing = np.array(image.GetSpacing())[::-1]
    if not LEAN:
        volume = resampled(volume, center, np.full(3, CUBE_MM / CUBE_SIDE) / spacing, (CUBE_SIDE,) * 3)
        center, spacing = np.full(3, (CUBE_SIDE - 1) / 2), np.full(3, CUBE_MM / CUBE_SIDE)
    crop = resampled(volume, center, np.array(spec.spacing_zyx_mm) / spacing, spec.shape_zyx)
    low, high = spec.window_hu
    return np.clip((crop - low) / (high - low), 0, 1).astype(np.float32)[None]


def resampled(volume: np.ndarray, center: np.ndarray, step: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    offset = center - step * (np.array(shape) - 1) / 2
    return scipy.ndimage.affine_transform(volume, np.diag(step), offset, output_shape=shape, order=1, mode="nearest")
