"""Find pictures by name under image_root; names that lead out of it are refused."""

import errno
import os
import stat
from pathlib import Path

from automm.data.files import is_path_error, read_failure

_ABSENT = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP)


class OutsideError(ValueError):
    """A name leads out of the folder: by `..`, as an absolute path, or through a symbolic link."""


class AbsentError(ValueError):
    """There is no picture of that name; the message is the reason in words, such as "not found"."""


class ImageRoot:
    """Finds pictures by name. It caches resolved folders, and needs one system call per picture.

    Args:
        path: the folder; it need not exist.
    """

    def __init__(self, path: Path):
        self.path = Path(os.path.realpath(path))
        self._folders: dict[str, Path | None] = {}

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
