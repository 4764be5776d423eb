"""FastAPI receiving an upload, and nothing else: the other side of P7."""

from fastapi import FastAPI, UploadFile

app = FastAPI()


@app.get("/health")
async def health() -> dict[str, bool]:
    return {"ok": True}


@app.post("/upload")
async def upload(file: UploadFile) -> dict[str, int]:
    return {"size": file.size or 0}
