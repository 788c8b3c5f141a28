"""Make the modules beside a manifest importable while its reader runs, isolated from other modules of the program."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.abc import MetaPathFinder
from importlib.machinery import SOURCE_SUFFIXES, FileFinder, ModuleSpec, SourceFileLoader
from importlib.util import find_spec
from pathlib import Path
from types import CodeType, ModuleType

_PACKAGE = "__init__.py"


class OwnModules(MetaPathFinder):
    """Finds the modules of one folder as if a script there ran, and never another folder's modules of the same names.

    A module of the folder has priority over an installed one. Modules of the standard library and automm have priority
    over the folder, except for the reader itself. Each instance executes the files again, so changes take effect.

    Args:
        folder: of the manifest.
        reader: the name of the reader's module, which may be in a package: "shop.export".
    """

    def __init__(self, folder: Path, reader: str):
        root = reader.partition(".")[0]
        self._names = _importable(folder) - sys.stdlib_module_names - {__name__.partition(".")[0]}
        if (
            folder.joinpath(*reader.split(".")).with_suffix(".py").is_file()
            or folder.joinpath(root, _PACKAGE).is_file()
        ):
            self._names.add(root)
        self._folder = folder
        self._finders: dict[str, FileFinder] = {}
        self._found: set[str] = set()
        self._modules: dict[str, ModuleType] = {}

    @contextmanager
    def importable(self) -> Iterator[None]:
        """Make the folder's modules importable; on exit, restore the modules of the program."""
        others = _take({name for name in self._names if name in sys.modules})
        sys.modules.update(self._modules)
        sys.meta_path.insert(0, self)
        try:
            yield
        finally:
            sys.meta_path.remove(self)
            self._modules = {name: sys.modules.pop(name) for name in self._found if name in sys.modules}
            sys.modules.update(others)

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return the spec of a module of the folder; None leaves the module to Python's finders."""
        if fullname.partition(".")[0] not in self._names:
            return None
        for place in [str(self._folder)] if path is None else path:
            finder = self._finders.setdefault(place, FileFinder(place, (_Anew, SOURCE_SUFFIXES)))
            if (spec := finder.find_spec(fullname)) is not None:
                self._found.add(fullname)
                return spec
        return None


def _take(roots: set[str]) -> dict[str, ModuleType]:
    """Remove modules and their submodules from `sys.modules`, and return them."""
    if not roots:  # nearly every record
        return {}
    names = [name for name in sys.modules if name.partition(".")[0] in roots]
    return {name: sys.modules.pop(name) for name in names}


def _importable(folder: Path) -> set[str]:
    """Return the modules and packages directly in a folder.

    A package without __init__.py counts only if no other module has its name.
    """
    packages = {file.parent.name for file in folder.glob("*/*.py") if file.parent.name.isidentifier()}
    whole = {name for name in packages if folder.joinpath(name, _PACKAGE).is_file() or find_spec(name) is None}
    return whole | {file.stem for file in folder.glob("*.py")}


class _Anew(SourceFileLoader):
    """Compiles a file each time. Cached bytecode misses changes within a second, and is written beside the manifest."""

    def get_code(self, fullname: str) -> CodeType:
        return self.source_to_code(self.get_data(self.path), self.path)
