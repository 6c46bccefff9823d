"""Extractors and annotators as the catalogue sees them, over their deployments."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Any, cast

from deployments.extractor import Annotation, ImageInput, Pixels
from deployments.extractors.profile import ExtractorProfile
from deployments.pictures.prepared import PreparedPicture
from deployments.replica.extractor_wire import Ability, Annotated, ExtractorCall
from deployments.replica.part_host import ReplicaReport
from graph.ports.contract import ExtractorStatus, ServedModel
from graph.ports.replica_calls import RayPart
from graph.ports.status import annotator_status, extractor_status, refuse_unserved
from storage.errors import ExtractorFailed
from storage.types.features import FeatureRows


class RayExtractorPort:
    """One extractor deployment. Where a model decides what the feature is, that is known once a replica has said so."""

    def __init__(self, part: RayPart, profile: ExtractorProfile) -> None:
        self.name = part.name
        self.embeds_text = profile.embeds_text
        self.kind = profile.kind
        self.is_late = profile.spec is None
        self.served = ServedModel(profile.spec, profile.image_input)
        self._part = part
        self._profile = profile

    def caller(self) -> AbstractContextManager[None]:
        return self._part.demand.caller()

    async def extract(self, image: Pixels, *, timeout_s: float) -> FeatureRows:
        return await self._rows("extract", image, {}, timeout_s)

    async def query_views(self, image: Pixels, params: Mapping[str, Any], *, timeout_s: float) -> FeatureRows:
        return await self._rows("query_views", image, params, timeout_s)

    async def embed_text(self, text: str, *, timeout_s: float) -> FeatureRows:
        return await self._rows("embed_text", text, {}, timeout_s)

    def select_views(self, stored: FeatureRows, params: Mapping[str, Any]) -> FeatureRows:
        return self._profile.select_views(stored, params)

    def view_names(self, params: Mapping[str, Any]) -> Callable[[int], str] | None:
        return self._profile.view_names(params)

    async def report(self, origin: Mapping[str, Any] | None = None) -> ReplicaReport:
        return await self._part.report(origin)

    async def status(self) -> ExtractorStatus:
        said = await self._part.report(self.served.origin)
        return extractor_status(self.name, self.served, said, await self._part.replicas(), is_late=self.is_late)

    async def _rows(
        self, ability: Ability, subject: Pixels | str, params: Mapping[str, Any], timeout_s: float
    ) -> FeatureRows:
        refuse_unserved(self.name, self.served)
        call = ExtractorCall(ability, subject, params, self.served.origin)
        return cast(FeatureRows, await self._part.ask(call, timeout_s=timeout_s))


class RayAnnotatorPort:
    """One annotator deployment. What it needs of a picture is known once a replica has said so."""

    needs_features = False

    def __init__(self, part: RayPart, *, is_stored: bool) -> None:
        self.name = part.name
        self.is_stored = is_stored
        self.image_input: ImageInput | None = None
        self._part = part

    async def annotate(
        self, picture: PreparedPicture, features: Mapping[str, FeatureRows], *, timeout_s: float
    ) -> Annotation:
        form = None if self.image_input is None else picture.forms.get(self.image_input)
        if form is None:
            raise ExtractorFailed(f"{self.name!r} has a new model", "try again in a few seconds")
        answer = await self._part.ask(ExtractorCall("annotate", form, {}), timeout_s=timeout_s)
        return cast(Annotated, answer).said

    async def status(self) -> ExtractorStatus:
        said = await self._part.report()
        if said.image_input is not None:
            self.image_input = said.image_input
        return annotator_status(self.name, said, await self._part.replicas())
