"""A client as the originals have them: numbers are strings in forms, ids are numbers in JSON, nothing else is sent."""

from __future__ import annotations

from typing import Any

import httpx


class OriginalClient:
    def __init__(self, http: httpx.AsyncClient) -> None:
        self.http = http

    async def by_image(self, stem: str, image: bytes, **numbers: float) -> Any:
        path = f"/{stem}_get_similar_images_by_image_buffer"
        return self._json(await self._form(path, image, **numbers))

    async def by_id(self, stem: str, image_id: int, **numbers: float) -> Any:
        return self._json(await self._send(f"/{stem}_get_similar_images_by_id", image_id=image_id, **numbers))

    async def by_text(self, text: str, **numbers: float) -> Any:
        return self._json(await self._send("/image_text_features_get_similar_images_by_text", text=text, **numbers))

    async def calculate(self, feature: str, image: bytes, image_id: int) -> httpx.Response:
        return await self._form(f"/calculate_{feature}_features", image, image_id=image_id)

    async def delete(self, feature: str, **named: Any) -> httpx.Response:
        return await self._send(f"/delete_{feature}_features", **named)

    async def tags(self, image: bytes) -> Any:
        return self._json(await self._form("/get_image_tags", image))

    async def caption(self, image: bytes) -> Any:
        return self._json(await self._form("/get_image_caption", image))

    async def reverse_search(self, image: bytes, *, find_duplicate: bool = False) -> Any:
        return self._json(
            await self._form("/reverse_search", image, **({"find_duplicate": 1} if find_duplicate else {}))
        )

    async def calculate_all(self, image: bytes, image_id: int) -> Any:
        return self._json(await self._form("/calculate_all_image_features", image, image_id=image_id))

    async def delete_all(self, image_id: int) -> Any:
        return self._json(await self._send("/delete_all_image_features", image_id=image_id))

    async def _form(self, path: str, image: bytes, **numbers: float) -> httpx.Response:
        data = {name: str(value) for name, value in numbers.items()}
        return await self.http.post(path, files={"image": ("document", image)}, data=data)

    async def _send(self, path: str, **values: Any) -> httpx.Response:
        return await self.http.post(path, json=values)

    @staticmethod
    def _json(answer: httpx.Response) -> Any:
        assert answer.status_code == 200, answer.text
        return answer.json()
