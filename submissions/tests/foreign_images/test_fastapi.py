"""A service of today's usual make, FastAPI under uvicorn: what it says of itself cures its trial in one round."""

import importlib.metadata
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from submissions.kinds import KINDS
from submissions.tests.containers import open_to_all
from submissions.tests.foreign_images.test_habits import LIMITS

pytestmark = pytest.mark.engine
PACKAGES = ("fastapi", "uvicorn", "python-multipart")
DOCKERFILE = """FROM python:3.11-slim
COPY . /srv/service
ENV PYTHONPATH=/srv/service/packages
WORKDIR /srv/service
CMD ["python3", "-m", "uvicorn", "service:app", "--host", "0.0.0.0", "--port", "8000", "--no-access-log"]
"""
# Path, part and fields are another's, and a field that it does not know is refused.
SERVICE = """
from typing import Annotated
from fastapi import FastAPI, File, Form, UploadFile
from pydantic import BaseModel, ConfigDict

app = FastAPI()

class Lesion(BaseModel):
    model_config = ConfigDict(extra="forbid")
    image: UploadFile
    SeriesInstanceUID: str
    LesionID: int
    CoordX: float
    CoordY: float
    CoordZ: float
    Gender: str | None = None

@app.get("/")
def health():
    return {"status": "ok"}

@app.post("PATH")
def malignancy(lesion: Annotated[Lesion, Form()]):
    found = {"seriesInstanceUID": lesion.SeriesInstanceUID, "lesionID": lesion.LesionID, "probability": 0.25}
    return {"status": "success", "data": found}
"""


def with_dependencies(names):
    """Return the installed distributions of these names, and those that they need."""
    found, wanted = {}, list(names)
    while wanted:
        name = wanted.pop()
        if name not in found:
            found[name] = importlib.metadata.distribution(name)
            needs = [each for each in found[name].requires or () if ";" not in each]  # the rest is for other Pythons
            wanted += [re.match(r"[\w.-]+", each)[0] for each in needs]
    return found.values()


def copy(distribution, folder):
    """Copy a distribution to a folder for the image; a compiled one is fetched where this Python is another."""
    if sys.version_info[:2] != (3, 11) and any(file.suffix == ".so" for file in distribution.files):
        wanted = f"{distribution.name}=={distribution.version}"
        pip = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", folder, wanted]
        subprocess.run([*pip, "--python-version", "3.11", "--only-binary", ":all:"], check=True, timeout=120)
        return
    for file in distribution.files:
        if ".." not in file.parts and "__pycache__" not in file.parts:
            target = folder / file
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(file.locate(), target)


@pytest.fixture(params=["/v2/malignancy", KINDS["lesion"].endpoint_path], ids=["another_path", "our_path"])
def service(bench, tmp_path, request):
    for distribution in with_dependencies(PACKAGES):
        copy(distribution, tmp_path / "packages")
    Path(tmp_path, "service.py").write_text(SERVICE.replace("PATH", request.param))
    open_to_all(tmp_path)
    yield bench.build(DOCKERFILE, tmp_path)
    bench.drop()
    assert bench.left_behind() == []


def test_whatever_differs_is_cured_in_one_round(bench, service):
    run = {"limits": LIMITS, "stage": "smoke"}
    code, outcome, _ = bench.verdict(bench.request(service, **run))
    assert code == "BAD_RESPONSE"
    told = outcome.diagnosis

    endpoint = "".join(re.findall(r"model_endpoint=([\w/]+)", told))
    adapter = dict(re.findall(r'adapter=\{"(\w+)": "(\w+)"\}', told))
    [omitted] = re.findall(r'"omit": \[(.*?)\]', told)
    adapter["omit"] = re.findall(r'"(\w+)"', omitted)
    code, outcome, _ = bench.verdict(bench.request(service, endpoint=endpoint, adapter=adapter, **run))
    assert code is None, (told, outcome)
    assert set(outcome.answers.values()) == {(0.25,)}
