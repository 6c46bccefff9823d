"""The ids of files that are new to the collection.

From the path, an id is the file's name below the folder that was asked for. Where that is another file's, names of
parent folders are put before it until it is free, and where all of them are taken a number behind it. An id from the
stem or from a number is free or it is not: that is a failure of the file.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import count
from pathlib import PurePath
from typing import NamedTuple

from graph.jobs.scanning.digests import digest_of
from graph.jobs.scanning.listing import ListedFile, file_failure
from storage.encoding.keys import MAX_ID_CHARACTERS, check_image_id
from storage.errors import ImageExists, InvalidField, LookalikeError
from storage.types.jobs import JobFailure
from storage.types.library import IdHolder

# Whose the ids are; those that are free are left out.
Holders = Callable[[Sequence[str]], Mapping[str, IdHolder]]


class NewFile(NamedTuple):
    """id: None for one that is made of the contents. has_upload: a picture has it that came without a file; adopted:
    the SHA-256 of that picture where the file is just it.
    """

    id: str | None
    file: ListedFile
    has_upload: bool = False
    adopted: str | None = None


def ids_of_new(
    files: Sequence[ListedFile], id_from: str, holders: Holders, former: Mapping[str, str]
) -> tuple[list[NewFile], list[JobFailure]]:
    """Files with their ids, and those that cannot have one. former: ids that files had, by path, which they get again
    where they can.
    """
    if id_from == "sha256":
        return [NewFile(None, file) for file in files], []
    chosen: dict[str, NewFile] = {}
    failures: list[JobFailure] = []
    asking = [(file, _choices(file, id_from, former.get(file.source.path))) for file in files]
    while asking:
        wanted: dict[str, list[tuple[ListedFile, Iterator[str]]]] = defaultdict(list)
        for file, choices in asking:
            try:
                wanted[next(choices)].append((file, choices))
            except LookalikeError as failure:
                failures.append(file_failure(file.source.path, failure))
        held = holders([image_id for image_id in wanted if image_id not in chosen])
        asking = []
        for image_id, askers in wanted.items():
            for file, choices in askers:
                holder = held.get(image_id)
                upload = holder if holder is not None and holder.path is None else None
                adopted = upload.sha256 if upload is not None and _is_same(file, upload) else None
                owner = _owner(file, chosen.get(image_id), holder, may_take=bool(adopted) or id_from != "path")
                if owner is None:
                    chosen[image_id] = NewFile(image_id, file, upload is not None, adopted)
                elif id_from == "path":
                    asking.append((file, choices))
                else:
                    taken = ImageExists(
                        f"the id {image_id!r} is taken by {owner}", "take ids from the path or from the sha256"
                    )
                    failures.append(file_failure(file.source.path, taken))
    places = {file.source.path: place for place, file in enumerate(files)}
    return sorted(chosen.values(), key=lambda new: places[new.file.source.path]), failures


def _owner(file: ListedFile, other: NewFile | None, holder: IdHolder | None, *, may_take: bool) -> str | None:
    """Whose the id is; None where the file may have it. may_take: from an upload. An id from a stem or a number is
    meant for just this picture, and one from a path for the very bytes, or for a picture imported without its file.
    """
    if other is not None:
        return other.file.source.path
    if holder is None or holder.path == file.source.path:
        return None
    if holder.path is None:
        return None if may_take or not holder.sha256 else "a picture that was uploaded"
    return holder.path


def _is_same(file: ListedFile, upload: IdHolder) -> bool:
    return file.source.size == upload.bytes and digest_of(file.source.path) == upload.sha256


def _choices(file: ListedFile, id_from: str, former: str | None) -> Iterator[str]:
    """Ids that the file may have, the best one first. Raises `InvalidField`."""
    if former is not None and id_from == "path":
        yield former
    name = os.path.basename(file.name)
    if id_from == "stem":
        yield _checked(os.path.splitext(name)[0])
    elif id_from == "int":
        yield _number(name)
    else:
        yield from _paths(file)


def _paths(file: ListedFile) -> Iterator[str]:
    below = _checked(PurePath(file.name).as_posix())
    yield below
    longer = below
    for parent in reversed(PurePath(file.folder).parts[1:]):
        longer = f"{parent}/{longer}"
        if len(longer) > MAX_ID_CHARACTERS:
            break
        yield _checked(longer)
    stem, ending = os.path.splitext(below)
    for number in count(2):
        yield _checked(f"{stem} ({number}){ending}")


def _number(name: str) -> str:
    number = name.split(".", 1)[0]
    if not (number.isascii() and number.isdigit()):
        raise InvalidField(f"the name {name!r} does not begin with a number", "take ids from the path or from the stem")
    return str(int(number))


def _checked(image_id: str) -> str:
    try:
        image_id.encode()
    except UnicodeEncodeError as broken:
        raise InvalidField(
            f"the name {image_id!r} is not valid UTF-8", "rename the file, or take ids from the sha256"
        ) from broken
    check_image_id(image_id)
    return image_id
