"""The rooms of the project: every folder, and every file that stands for itself, with the rooms that it may import.

An arrow that is missing here is a decision. Before you add one, look whether the import should not run the other way.
"""

from __future__ import annotations

FOUNDATION = frozenset(
    {"lookalike_client", "storage/types", "storage/errors", "storage/files", "storage/compiled"}
)  # every room may import

ROOMS: dict[str, frozenset[str]] = {
    room: frozenset(allowed.split())
    for room, allowed in {
        "lookalike_client": "",
        "storage/compiled": "",
        "storage/errors": "",
        "storage/files": "",
        "storage/types": "",
        "storage/filters": "",
        "storage/encoding": "storage/filters",
        "storage/index": "",
        "storage/kv": "",
        "storage/keypoints": "storage/index",
        "storage/tables": "storage/encoding storage/index storage/kv",
        "storage/words": "storage/index",
        "storage/upkeep": "storage/encoding storage/index storage/kv storage/tables storage/words",
        "storage/duplicates": "storage/encoding storage/index storage/kv storage/tables storage/upkeep",
        "storage/columns": "storage/filters storage/kv storage/tables storage/words",
        "storage/shard": (
            "storage/columns storage/duplicates storage/encoding storage/index storage/keypoints storage/kv "
            "storage/tables storage/upkeep storage/words"
        ),
        "storage/operations": "storage/duplicates storage/index storage/shard storage/tables",
        "storage/cluster": "storage storage/encoding storage/operations storage/shard",
        "deployments/extractor": "",
        "deployments/models/fetching": "",
        "deployments/models/integers": "",
        "deployments/keypoints": "deployments/extractor storage/index",
        "deployments/ocr": "deployments/extractor",
        "deployments/parts": "deployments/extractor",
        "deployments/pictures": "deployments/extractor",
        "deployments/models": "deployments/extractor deployments/models/fetching deployments/pictures storage/index",
        "deployments/annotators": (
            "deployments/extractor deployments/models deployments/models/fetching deployments/parts"
        ),
        "deployments/extractors": (
            "deployments/extractor deployments/keypoints deployments/models deployments/models/fetching "
            "deployments/ocr deployments/parts deployments/pictures storage/index storage/keypoints storage/words"
        ),
        "deployments/replica": "deployments/annotators deployments/extractor deployments/extractors storage/encoding",
        "graph/ambience_data": "",
        "graph/same_picture": "",
        "graph/client": "",
        "graph/config": (
            "deployments/annotators deployments/extractors storage/cluster storage/index "
            "storage/shard storage/upkeep"
        ),
        "graph/cli/terminal": "storage/filters",
        "graph/jobs/running": (
            "graph/config deployments/extractors storage/cluster storage/encoding storage/operations "
            "storage/shard"
        ),
        "graph/moving": "",
        "graph/ports": (
            "graph/config deployments/annotators deployments/extractor deployments/extractors "
            "deployments/pictures deployments/replica storage/cluster storage/encoding storage/operations "
            "storage/shard"
        ),
        "graph/duplicates": "graph/ports deployments/extractors storage/duplicates storage/operations storage/shard",
        "graph/jobs/importing": (
            "graph/ambience_data graph/config graph/jobs/running graph/same_picture deployments/extractor "
            "deployments/extractors deployments/pictures storage/index storage/operations storage/shard "
            "storage/tables"
        ),
        "graph/requests": (
            "graph/ports deployments/extractor deployments/pictures storage/encoding storage/filters "
            "storage/operations storage/shard"
        ),
        "graph/judging": "storage/keypoints",
        "graph/figures": "graph/requests",
        "graph/http/forms": "graph/ambience_data graph/config graph/jobs/scanning graph/requests storage/filters",
        "graph/http/replies": "graph/duplicates graph/requests",
        "graph/search": (
            "graph/judging graph/ports graph/requests deployments/extractor deployments/pictures storage/encoding "
            "storage/filters storage/index storage/operations storage/shard storage/words"
        ),
        "graph/upkeep": "graph/ports graph/requests deployments/pictures storage/operations",
        "graph/catalog": (
            "graph/duplicates graph/ports graph/requests graph/search deployments/extractor deployments/pictures "
            "storage/index storage/operations"
        ),
        "graph/http/guards": "graph/config graph/http/replies",
        "graph/http/ambience": (
            "graph/catalog graph/config graph/http/forms graph/http/guards graph/http/replies graph/requests "
            "graph/same_picture"
        ),
        "graph/http/routes": (
            "graph/ambience_data graph/catalog graph/config graph/figures graph/http/forms graph/http/guards "
            "graph/http/replies graph/same_picture"
        ),
        "graph/jobs/evaluating": (
            "graph/judging graph/jobs/running graph/jobs/scanning graph/requests deployments/pictures "
            "storage/operations storage/shard"
        ),
        "graph/jobs/scanning": (
            "graph/jobs/running deployments/pictures storage/encoding storage/operations storage/shard"
        ),
        "graph/jobs/indexing": (
            "graph/catalog graph/config graph/jobs/running deployments/annotators deployments/extractor "
            "deployments/extractors deployments/pictures storage/cluster storage/encoding storage/shard"
        ),
        "graph/http": (
            "graph/catalog graph/config graph/figures graph/http/ambience graph/http/forms graph/http/guards "
            "graph/http/replies graph/http/routes"
        ),
        "graph/jobs/filling": (
            "graph/catalog graph/config graph/jobs/indexing graph/jobs/running graph/requests "
            "deployments/pictures storage/index storage/operations"
        ),
        "graph/jobs": (
            "graph/ambience_data graph/config graph/jobs/evaluating graph/jobs/filling graph/jobs/importing "
            "graph/jobs/indexing "
            "graph/jobs/running graph/jobs/scanning graph/ports deployments/extractors deployments/pictures "
            "storage/operations storage/shard"
        ),
        "graph/serving": (
            "graph/catalog graph/config graph/figures graph/http graph/http/guards graph/jobs graph/ports "
            "graph/requests graph/upkeep deployments/annotators deployments/extractors deployments/pictures "
            "storage/cluster"
        ),
        "graph/app": "graph/config graph/serving deployments/extractors deployments/replica storage/shard",
        "graph/cli/commands": (
            "graph/cli/terminal graph/config graph/moving graph/same_picture "
            "graph/jobs/evaluating graph/serving deployments/annotators deployments/extractors "
            "deployments/models/fetching deployments/pictures storage/cluster storage/kv storage/shard"
        ),
        "graph/cli/operating": "graph/cli/terminal graph/config",
        "graph/cli": "graph/cli/commands graph/cli/operating graph/cli/terminal graph/same_picture",
    }.items()
}  # fmt: skip


def room_of(file: str) -> str:
    """``storage/kv/store.py`` stands in ``storage/kv``; a file right in a layer is a room of its own, but for
    the client, which is one room.
    """
    folder = file.rpartition("/")[0]
    if "/" in folder or folder in ROOMS or file.endswith("/__init__.py"):
        return folder
    return file.removesuffix(".py")
