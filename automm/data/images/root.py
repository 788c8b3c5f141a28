"""Find pictures by name under image_root; names that lead out of it are refused."""

import errno
import os
import stat
from collections.abc import Callable, Iterable
from functools import cached_property
from pathlib import Path

from automm.data.change_kinds import Change
from automm.data.files import is_path_error, read_failure
from automm.data.images.missing_hints import AbsentError, OutsideError, UnreadFormatError, is_absolute
from automm.data.images.similar import SimilarNames
from automm.data.images.tree import ImageTree, is_unread

__all__ = ["AbsentError", "ImageRoot", "OutsideError"]

_ABSENT = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP)


class ImageRoot:
    """Finds pictures by name. It caches resolved folders, and needs one system call per picture.

    The files below the folder are listed only if a name needs it: a pattern, or a name that is not exactly a file's.

    Args:
        path: the folder; it need not exist.
        names: returns the names of all records, as `SimilarNames` needs them.
    """

    def __init__(self, path: Path, names: Callable[[], Iterable[str]] = tuple):
        self.path, self.names = Path(os.path.realpath(path)), names
        self._folders: dict[str, Path | None] = {}

    @cached_property
    def tree(self) -> ImageTree:
        """The files below the folder."""
        return ImageTree(self.path)

    def locate(self, name: str) -> tuple[Path, Change | None]:
        """Return the file of a name like `find`, or the one file that the name fits, and how they differ.

        Raises:
            OutsideError: the name leads out of the folder.
            AmbiguousNameError: several files fit.
            AbsentError, DataError: as `find`. An absolute name is absent if no file has its last parts.
        """
        absolute = is_absolute(name)
        if is_unread(name) and (similar := self._similar.find(name)) is not None:  # a copy in a format that is read
            return self._find(similar[0]), similar[1]
        try:
            path = self.find(name)
            return path, Change.BACKSLASHES if "\\" in name and path.name != name.rpartition("/")[2] else None
        except (AbsentError, OutsideError) as error:
            if isinstance(error, OutsideError) and not absolute:
                raise
            similar = self._similar.find(name)
            if similar is not None:
                return self._find(similar[0]), similar[1]
            if unread := self.tree.unread_like(name):
                raise UnreadFormatError(f"not found; {unread!r} is in a format that is not read") from error
            if isinstance(error, OutsideError) and ".." not in name.split("/"):
                raise AbsentError("not found") from error
            raise

    @cached_property
    def _similar(self) -> SimilarNames:
        return SimilarNames(self.tree, self.names)

    def find(self, name: str) -> Path:
        """Return the file of a name as an absolute path without symbolic links.

        If there is none, backslashes in the name are read as slashes, because Windows writes names with backslashes.

        Raises:
            OutsideError: the name leads out of the folder, whether or not there is a file.
            AbsentError: there is nothing, or no regular file.
            DataError: the machine failed to search, for example because of a failing disk.
        """
        try:
            return self._find(name)
        except AbsentError:
            if "\\" not in name or name.startswith("\\"):
                raise
            return self._find(name.replace("\\", "/"))

    def _find(self, name: str) -> Path:
        folder, slash, last = name.rpartition("/")
        try:
            inside = self._folder(folder + slash)
            if last in ("", ".", ".."):
                inside, last = self._folder(name), ""
            if inside is None:
                raise OutsideError(name)
            path = inside / last
            mode = os.lstat(path).st_mode
            if stat.S_ISLNK(mode):
                path = Path(os.path.realpath(path))
                if not path.is_relative_to(self.path):
                    raise OutsideError(name)
                mode = path.stat().st_mode  # raises where links lead in a circle
        except (OutsideError, AbsentError):
            raise
        except OSError as error:
            if not is_path_error(error) and error.errno != errno.ELOOP:
                raise read_failure(self.path / name, error) from error
            absent = error.errno in _ABSENT
            raise AbsentError("not found" if absent else f"cannot be found ({error.strerror})") from error
        except ValueError as error:  # a NUL, half a surrogate pair
            raise AbsentError(f"not a possible name ({error})") from error
        if stat.S_ISREG(mode):
            return path
        raise AbsentError("a folder, not a file" if stat.S_ISDIR(mode) else "a pipe, socket or device, not a file")

    def _folder(self, name: str) -> Path | None:
        """Return the resolved path of a folder below the root; None if it leads out of the root."""
        if name not in self._folders:
            path = Path(os.path.realpath(self.path / name))
            self._folders[name] = path if path.is_relative_to(self.path) and not Path(name).is_absolute() else None
        return self._folders[name]
