"""Find a picture whose name differs a little from its file: case, accents, %20, extension, or leading folders.

A name is matched only if exactly one file fits. What is found so is counted, never silent.
"""

import unicodedata
from urllib.parse import unquote

from automm.data.change_kinds import Change
from automm.data.images.missing_hints import AmbiguousNameError
from automm.data.images.tree import ImageTree, fold

DEEPEST = 64  # folders of a name that are compared
SHOWN = 3  # files that a message lists


class SimilarNames:
    """Finds files by similar names in a tree."""

    def __init__(self, tree: ImageTree):
        self.tree = tree
        self._names: dict[str, str] = {}  # the folded name that each file was found by, without its leading folders

    def find(self, name: str, absolute: bool) -> tuple[str, Change] | None:
        """Return the one file that fits a name, relative to the root, and how it differs; None if no file fits.

        Args:
            name: as the record has it.
            absolute: whether it is an absolute path, on this or another computer.

        Raises:
            AmbiguousNameError: several files fit, or the file fits another name equally well.
        """
        path = name.replace("\\", "/")  # not unquoted here: `fold` does that, and twice would be once too often
        parts = [part for part in path.split("/") if part not in ("", ".")]
        if not parts or ".." in unquote(path).split("/"):
            return None
        if len(parts) == 1 and not absolute:
            return self._by_name(parts[0], name)
        parts = parts[-DEEPEST:]
        whole = "/".join(parts)
        for start in range(len(parts)):
            tail = "/".join(parts[start:])
            if exact := self.tree.by_path(tail):
                return self._found(exact, tail, whole, start or absolute, Change.OTHER_SPELLING)
            if stems := self.tree.by_stem(tail):
                return self._found(stems, tail, whole, start or absolute, Change.NO_EXTENSION)
            # A folder that exists decides where the picture should be.
            folder = parts[start:-1] if start or absolute else parts[:1]
            if folder and self.tree.has_folder("/".join(folder)):
                return None
        return None

    def _by_name(self, bare: str, name: str) -> tuple[str, Change] | None:
        """Find a name without a folder: in the root, else in any folder."""
        for paths, change in (
            (self.tree.by_path(bare), Change.OTHER_SPELLING),
            (self.tree.by_stem(bare), Change.NO_EXTENSION),
            (self.tree.by_name(bare), Change.OTHER_FOLDER),
            (self.tree.by_name_stem(bare), Change.OTHER_FOLDER),
        ):
            if paths:
                return _closest(paths, name), change
        return None

    def _found(
        self, paths: tuple[str, ...], tail: str, name: str, cut: bool | int, change: Change
    ) -> tuple[str, Change]:
        path = _closest(paths, tail)
        if not cut:
            return path, change
        other = self._names.setdefault(path, name)
        if fold(other) != fold(name):
            raise AmbiguousNameError(f"is not the only name that ends like the file {path!r}: {other[:120]!r} does too")
        return path, Change.OTHER_FOLDER


def _closest(paths: tuple[str, ...], name: str) -> str:
    """Return the path that is spelled most like the name.

    Raises:
        AmbiguousNameError: several are.
    """
    if len(paths) == 1:
        return paths[0]
    depth = name.count("/") + 1
    for spelled in (str, unquote, lambda text: unicodedata.normalize("NFC", unquote(text))):
        same = [path for path in paths if spelled("/".join(path.split("/")[-depth:])) == spelled(name)]
        if len(same) == 1:
            return same[0]
    more = f" and {len(paths) - SHOWN:,} more" if len(paths) > SHOWN else ""
    raise AmbiguousNameError(f"fits several files ({', '.join(map(repr, paths[:SHOWN]))}{more})")
