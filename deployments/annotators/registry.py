"""Which annotators there are. To add one: its file in this folder, one line here, its test."""

from __future__ import annotations

from deployments.extractor import Annotator
from deployments.parts import Registry

ANNOTATORS: Registry[Annotator] = Registry(
    "annotator",
    "annotators",
    {
        "tags": ("deployments.annotators.tags", "Tags"),
        "caption": ("deployments.annotators.caption", "Caption"),
    },
)

annotator_configs = ANNOTATORS.configs
create_annotator = ANNOTATORS.create
validate_annotator_config = ANNOTATORS.validate
annotator_class = ANNOTATORS.part_class
