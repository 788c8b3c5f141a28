"""Names and patterns find the right file or none, for any names of files."""

import base64
import io
import tempfile
import time
import unicodedata
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from PIL import Image

from automm.data.images.missing_hints import AbsentError, AmbiguousNameError, OutsideError
from automm.data.images.patterns import Pattern, PatternPictures
from automm.data.images.root import ImageRoot
from automm.data.images.tree import ImageTree, fold, natural
from automm.data.records.field_values import cell_pictures
from automm.data.sections import Fields

# Characters that mean something to globs, paths, URLs, regular expressions or Unicode.
LETTERS = "aAbé1209-_*[]?.%+ {}$\\"
ids = st.text(LETTERS.replace("\\", ""), min_size=1, max_size=4).filter(lambda text: text not in (".", ".."))
stems = st.text("aAéÉ12-_ %", min_size=1, max_size=4).filter(lambda text: text.strip())
paths = st.builds(
    lambda folders, stem, suffix: "/".join([*folders, stem + suffix]),
    st.lists(st.sampled_from(["x", "X", "Größe", "photos 1"]), max_size=2),
    stems,
    st.sampled_from([".jpg", ".JPG", ".png", ""]),
)
SPELLINGS = {
    "upper": str.upper,
    "lower": str.lower,
    "decomposed": lambda text: unicodedata.normalize("NFD", text),
    "quoted": quote,
    "both": lambda text: quote(unicodedata.normalize("NFD", text.upper())),
}


def put(folder: Path, names) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


def found_by(pattern: str, records: list[dict[str, str]], folder: Path) -> list[list[str]]:
    pictures = PatternPictures(Pattern(pattern), ImageTree(folder))
    filled = [pictures.pattern.fill(record) for record in records]
    for one in filled:
        pictures.learn(one)
    return [pictures.of(one)[0] for one in filled]


@given(st.lists(ids, min_size=1, max_size=6, unique=True), st.lists(st.tuples(ids, st.integers(0, 12)), max_size=12))
def test_the_longest_id_takes_a_file_and_its_characters_are_literal(names, others):
    files = {f"{name}-{number}.jpg" for name in names for number in (1, 2, 10)}
    files |= {f"{name}-{number}.jpg" for name, number in others}
    with tempfile.TemporaryDirectory() as folder:
        put(Path(folder), files)
        found = found_by("{id}-*.jpg", [{"id": name} for name in names], Path(folder))
    expected = {name: [] for name in names}
    for file in sorted((file for file in files if not file.startswith(".")), key=natural):
        fitting = [name for name in names if file.startswith(f"{name}-")]
        if fitting:
            expected[max(fitting, key=len)].append(file)
    for name, files in expected.items():  # "a-1-2" is the second picture of an "a-1" that is no record
        stars = [file.removeprefix(f"{name}-").removesuffix(".jpg") for file in files]
        if not all("-" in star for star in stars):
            pairs = zip(files, stars, strict=True)
            expected[name] = [file for file, star in pairs if not ("-" in star and star.split("-")[0].isdigit())]
    assert found == [expected[name] for name in names]


@given(
    st.lists(ids, min_size=1, max_size=5, unique=True),
    st.sampled_from(["{id}/", "{id}/*", "p/{id}/*.jpg", "*_{id}.jpg"]),
)
def test_a_record_gets_all_pictures_of_its_own_and_no_other(names, pattern):
    names = [name for name in names if not name.startswith(".")]
    assume(names)
    per_name = {
        name: [
            pattern.removesuffix("*.jpg").removesuffix("*").replace("{id}", name) + f"{number}.jpg"
            for number in (2, 10)
        ]
        if "/" in pattern
        else [f"{number}x_{name}.jpg" for number in (2, 10)]
        for name in names
    }
    with tempfile.TemporaryDirectory() as folder:
        put(Path(folder), [file for files in per_name.values() for file in files])
        found = found_by(pattern, [{"id": name} for name in names], Path(folder))
    if "/" in pattern:
        assert found == list(per_name.values())
    for name, files in zip(names, found, strict=True):  # "a_a" is longer than "a", and takes its files
        assert all(file.endswith(f"{name}.jpg") or f"{name}/" in file for file in files)
    assert len({file for files in found for file in files}) == sum(map(len, found))


@given(
    st.lists(ids, min_size=1, max_size=6, unique=True), st.sets(st.text("ab12", min_size=1, max_size=5), max_size=10)
)
def test_a_number_is_never_cut(names, stems):
    with tempfile.TemporaryDirectory() as folder:
        put(Path(folder), [f"{stem}.jpg" for stem in stems])
        found = found_by("{id}*.jpg", [{"id": name} for name in names], Path(folder))
    for name, files in zip(names, found, strict=True):
        for file in files:
            rest = file[len(name) :].removesuffix(".jpg")
            assert file.startswith(name) or fold(file).startswith(fold(name))
            assert not (name[-1].isdigit() and rest[:1].isdigit())


@given(st.lists(st.integers(0, 10**30), min_size=1), st.text("ab0-", max_size=3))
def test_numbers_in_names_are_ordered_by_value(numbers, before):
    names = [f"{before}x{number}.jpg" for number in numbers]
    assert sorted(names, key=natural) == [f"{before}x{number}.jpg" for number in sorted(numbers)]


@given(st.text(LETTERS, max_size=12))
def test_any_text_is_a_legal_pattern_or_refused(text):
    try:
        pattern = Pattern("{id}" + text)
    except ValueError:
        return
    filled = pattern.fill(dict.fromkeys(pattern.columns, "x"))
    assert filled is not None
    assert ".." not in filled.folder.split("/")


@given(st.sets(paths, min_size=1, max_size=8), st.data())
def test_a_spelling_of_a_path_finds_that_file_or_names_several(files, data):
    files = {file for file in files if not any(other.startswith(f"{file}/") for other in files)}
    file = data.draw(st.sampled_from(sorted(files)))
    spelled = SPELLINGS[data.draw(st.sampled_from(sorted(SPELLINGS)))](file)
    with tempfile.TemporaryDirectory() as folder:
        put(Path(folder), files)
        root = ImageRoot(Path(folder))
        assert root.locate(file) == (root.path / file, None)
        same = [other for other in files if fold(other) == fold(spelled)]
        try:
            path, change = root.locate(spelled)
        except AmbiguousNameError:
            assert len(same) > 1
            return
        except AbsentError:
            assert fold(spelled) != fold(file)  # é in capitals with %C3%89 is still é; ß in capitals is SS
            return
        assert change in ((None,) if spelled in files else ("other_spelling", "other_folder", "no_extension"))
        if fold(spelled) == fold(file):
            assert fold(path.relative_to(root.path).as_posix()) == fold(file)


@given(
    st.sets(paths, max_size=6),
    st.lists(
        st.sampled_from(["..", ".", "", "x", "C:", "content", "~", "secret.jpg", "a.jpg", "%2e%2e", "..%2f"]),
        max_size=6,
    ),
    st.sampled_from(["/", "\\", "//"]),
)
def test_no_name_leads_out_of_the_root(files, parts, slash):
    files = {file for file in files if not any(other.startswith(f"{file}/") for other in files)}
    with tempfile.TemporaryDirectory() as folder:
        put(Path(folder), ["secret.jpg", "images/a.jpg"])
        put(Path(folder) / "images", files)
        (Path(folder) / "images" / "link.jpg").symlink_to(Path(folder) / "secret.jpg")
        (Path(folder) / "images" / "up").symlink_to(Path(folder))
        root = ImageRoot(Path(folder) / "images")
        for name in (slash.join(parts), slash + slash.join(parts), *files):
            try:
                path, _ = root.locate(name)
            except (AbsentError, OutsideError):
                continue
            assert path.resolve() == path
            assert path.is_relative_to(root.path)
            assert path.is_file()


@given(
    st.recursive(
        st.none()
        | st.binary(max_size=20)
        | st.text(max_size=20)
        | st.integers()
        | st.floats()
        | st.sampled_from(
            ["data:", "data:image/png;base64,", "[", "{'bytes': b'", "b'\\xff'", "[[[", "data:,%", "A" * 5, "é" * 4]
        ),
        lambda inner: st.lists(inner, max_size=3) | st.fixed_dictionaries({"bytes": inner, "path": st.none()}),
        max_leaves=5,
    )
)
def test_any_cell_is_a_list_of_pictures_or_broken_ones(cell):
    for one in cell_pictures({"photo": cell}, Fields(images="photo", image_kind="base64")):
        assert bool(one.fault) != bool(one.content)
        assert one.name.startswith("photo")


@given(st.integers(1, 8), st.sampled_from(["PNG", "JPEG", "GIF", "WEBP", "BMP", "TIFF"]), st.data())
def test_an_embedded_picture_is_read_back_whole(side, form, data):
    file = io.BytesIO()
    Image.new("RGB", (side, side), (side, 2, 3)).save(file, form)
    content = file.getvalue()
    text = base64.b64encode(content).decode()
    cell = data.draw(
        st.sampled_from(
            [
                content,
                text,
                f"data:image/x;base64,{text}",
                {"bytes": content, "path": "a"},
                str({"bytes": content}),
                str(content),
            ]
        )
    )
    [one] = cell_pictures({"photo": cell}, Fields(images="photo", image_kind="base64"))
    assert (one.content, one.fault) == (content, "")


@pytest.mark.slow
def test_a_hundred_thousand_files_are_read_and_matched_in_linear_time(tmp_path):
    for number in range(100):
        folder = tmp_path / f"f{number}"
        folder.mkdir()
        for inner in range(1000):
            (folder / f"P{number * 1000 + inner}-1.jpg").touch()
    root = ImageRoot(tmp_path)
    start = time.perf_counter()
    for number in range(100_000):
        assert root.locate(f"p{number}-1.JPG")[1] == "other_folder"
    found = found_by("{f}/P{id}-*.jpg", [{"f": f"f{n // 1000}", "id": str(n)} for n in range(100_000)], tmp_path)
    assert all(len(pictures) == 1 for pictures in found)
    assert time.perf_counter() - start < 60
