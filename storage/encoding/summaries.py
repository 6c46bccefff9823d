"""What results show of pictures, packed until it is asked for: of the hundred that each feature finds few are shown."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from storage.encoding.message_pack import pack, unpack
from storage.types.searches import ImageSummary

GPS = ImageSummary._fields.index("gps")


class Summaries(Mapping[str, ImageSummary]):
    """By id."""

    def __init__(self, packed: dict[str, bytes]) -> None:
        """packed: each as `packed_summary` gives it."""
        self.packed = packed

    @classmethod
    def of(cls, summaries: Mapping[str, ImageSummary]) -> Summaries:
        if isinstance(summaries, Summaries):
            return summaries
        return cls({image_id: packed_summary(summary) for image_id, summary in summaries.items()})

    def __getitem__(self, image_id: str) -> ImageSummary:
        return unpacked_summary(self.packed[image_id])

    def __iter__(self) -> Iterator[str]:
        return iter(self.packed)

    def __len__(self) -> int:
        return len(self.packed)

    def with_bytes(self, sha256: str) -> set[str]:
        """The ids of pictures with these very bytes."""
        written = sha256.encode()
        candidates = [image_id for image_id, packed in self.packed.items() if written in packed]
        return {image_id for image_id in candidates if self[image_id].sha256 == sha256}


def packed_summary(summary: ImageSummary) -> bytes:
    return pack(summary)


def unpacked_summary(packed: bytes) -> ImageSummary:
    fields = unpack(packed)
    if fields[GPS]:
        fields[GPS] = tuple(fields[GPS])
    return ImageSummary(*fields)
