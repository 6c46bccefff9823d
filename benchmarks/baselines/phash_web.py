"""The service to beat: one bare FastAPI and Uvicorn process that searches by perceptual hash as the original does.

An async route does all the work on the event loop: full decode with Pillow, gray, Lanczos to 96 x 96, two passes of
SciPy's DCT, the mirrored picture too, a flat FAISS index, a JSON list.
``python -m benchmarks.baselines.phash_web FOLDER PORT`` indexes a folder and serves.
"""

from __future__ import annotations

import argparse
import io
from pathlib import Path
from typing import Annotated

import faiss
import numpy as np
import uvicorn
from fastapi import FastAPI, File, Form
from fastapi.responses import JSONResponse
from numpy.typing import NDArray
from PIL import Image
from scipy import fft

BITS = 576
ROUTE = "/phash_get_similar_images_by_image_buffer"


def gray_96(data: bytes) -> NDArray[np.uint8]:
    """(96, 96) uint8, from a full decode."""
    picture = Image.open(io.BytesIO(data)).convert("L").resize((96, 96), Image.Resampling.LANCZOS)
    return np.asarray(picture)


def phash(gray: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(72,) uint8: which of the 24 x 24 low frequencies are above their median."""
    low = fft.dct(fft.dct(gray.astype(np.float64), axis=0), axis=1)[:24, :24]
    return np.packbits(low > np.median(low))


def create_app(folder: Path) -> FastAPI:
    files = sorted(folder.iterdir())
    index = faiss.IndexBinaryFlat(BITS)
    index.add(np.stack([phash(gray_96(file.read_bytes())) for file in files]))
    app = FastAPI()

    @app.get("/")
    async def hello() -> dict[str, str]:
        return {"Hello": "World"}

    @app.post(ROUTE, response_model=None)
    async def search(image: Annotated[bytes, File()], k: Annotated[int, Form()] = 20) -> JSONResponse:
        gray = gray_96(image)
        queries = np.stack([phash(gray), phash(np.fliplr(gray))])
        distances, rows = index.search(queries, min(k, len(files)))
        best: dict[int, int] = {}
        for row, distance in zip(rows.ravel().tolist(), distances.ravel().tolist(), strict=True):
            best[row] = min(distance, best.get(row, BITS))
        nearest = sorted(best.items(), key=lambda pair: pair[1])[:k]
        answer = [{"image_id": row, "distance": distance, "file_name": files[row].name} for row, distance in nearest]
        return JSONResponse(answer)

    return app


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("port", type=int)
    chosen = parser.parse_args()
    uvicorn.run(create_app(chosen.folder), host="127.0.0.1", port=chosen.port, log_level="warning")


if __name__ == "__main__":
    main()
