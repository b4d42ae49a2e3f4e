"""Static files under names that hold their hash, so that browsers may keep them for ever."""

import posixpath
import re
from collections.abc import Iterator
from typing import Any, Final

from django.core.files.base import ContentFile, File
from django.core.files.storage import Storage
from whitenoise.storage import CompressedManifestStaticFilesStorage

#: The stylesheet that pages name; it imports all the others.
SHEET: Final = "css/app.css"
_IMPORT: Final = re.compile(r'^@import url\("([^"]+)"\) layer\((\w+)\);$', re.MULTILINE)

#: Where a collected file comes from: its storage and its path there.
type Sources = dict[str, tuple[Storage, str]]


class HashedStaticFilesStorage(CompressedManifestStaticFilesStorage):
    """The stylesheet is stored with those that it imports in it.

    A browser finds an import only when it has read the sheet that names it, and paints nothing before the last has
    come.
    """

    # A page that names a file which is not there should fail in a test, not for a reader.
    manifest_strict = True

    def post_process(self, paths: Sources, *args: Any, **options: Any) -> Iterator[Any]:
        if SHEET in paths:
            paths = {**paths, SHEET: (_OneSheet(paths), paths[SHEET][1])}
        yield from super().post_process(paths, *args, **options)


class _OneSheet(Storage):
    """Holds the one sheet, made of the sources."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources

    def _open(self, _name: str, _mode: str = "rb") -> "File[bytes]":
        text = _IMPORT.sub(self._imported, self._read(SHEET))
        if "@import" in text:
            raise ValueError(f'{SHEET} imports in another form than @import url("…") layer(…);')
        return ContentFile(text.encode())

    def _imported(self, match: re.Match[str]) -> str:
        name, layer = posixpath.normpath(posixpath.join(posixpath.dirname(SHEET), match[1])), match[2]
        if name not in self._sources:
            raise ValueError(f"{SHEET} imports {name}, which is not there.")
        text = self._read(name)
        # What it names by a relative address would be looked for beside the sheet that it goes into.
        if posixpath.dirname(name) != posixpath.dirname(SHEET) and "url(" in text:
            raise ValueError(f"{name} names another file; only a sheet beside {SHEET} can.")
        return f"@layer {layer} {{\n{text}}}"

    def _read(self, name: str) -> str:
        storage, path = self._sources[name]
        with storage.open(path) as file:
            return bytes(file.read()).decode()
