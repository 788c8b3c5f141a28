"""The files below image_root, and names that differ a little from them."""

import os
import unicodedata

import pytest

from automm.data.images.missing_hints import AmbiguousNameError
from automm.data.images.root import AbsentError, ImageRoot, OutsideError
from automm.data.images.tree import ImageTree, natural


@pytest.fixture
def root(tmp_path):
    folder = tmp_path / "images"
    folder.mkdir()
    return folder


def put(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"x")


def located(root, name):
    path, change = ImageRoot(root).locate(name)
    return os.path.relpath(path, root), change


def test_the_tree_is_read_without_hidden_files_and_links_that_lead_out(root, tmp_path):
    put(tmp_path, "outside/secret.png")
    put(root, "a.png", "in/b.png", ".hidden.png", ".cache/c.png", "__MACOSX/._a.png", "in/notes.txt")
    (root / "out").symlink_to(tmp_path / "outside")
    (root / "out.png").symlink_to(tmp_path / "outside" / "secret.png")
    (root / "link.png").symlink_to("in/b.png")
    (root / "loop").symlink_to(root)
    (root / "dangling.png").symlink_to("nowhere.png")
    tree = ImageTree(root)
    assert tree.files == ["a.png", "link.png", "in/b.png", "in/notes.txt"]
    assert tree.unused(["a.png"]) == ["link.png", "in/b.png"]
    assert ImageTree(root / "absent").files == []


def test_numbers_are_in_natural_order(root):
    put(root, *(f"x/{number}.jpg" for number in (10, 2, 1, 20)))
    assert ImageTree(root).in_folder("x") == ["x/1.jpg", "x/2.jpg", "x/10.jpg", "x/20.jpg"]
    assert natural("a" + "9" * 5000) < natural("a1" + "0" * 5000)


@pytest.mark.parametrize(
    ("name", "file", "change"),
    [
        ("a.png", "a.png", None),
        ("A.PNG", "a.png", "other_spelling"),
        ("PHOTOS/Two.jpg", "photos/two.JPG", "other_spelling"),
        ("My%20Photo.jpg", "My Photo.jpg", "other_spelling"),
        ("100%25.jpg", "100%.jpg", "other_spelling"),
        (unicodedata.normalize("NFC", "pêche.jpg"), unicodedata.normalize("NFD", "pêche.jpg"), "other_spelling"),
        (unicodedata.normalize("NFD", "Crème.jpg"), unicodedata.normalize("NFC", "crème.jpg"), "other_spelling"),
        ("Caf%C3%A9.jpg", "café.jpg", "other_spelling"),
        ("two", "photos/two.JPG", "other_folder"),
        ("photos/two", "photos/two.JPG", "no_extension"),
        ("two.jpg", "photos/two.JPG", "other_folder"),
        (r"C:\Users\x\photos\two.JPG", "photos/two.JPG", "other_folder"),
        (r"\\server\share\A.png", "a.png", "other_folder"),
        ("/content/drive/data/a.png", "a.png", "other_folder"),
        ("/content/drive/photos/two", "photos/two.JPG", "other_folder"),
        ("dataset/photos/two.JPG", "photos/two.JPG", "other_folder"),
        (r"photos\two.JPG", "photos/two.JPG", "backslashes"),
        (r"Photos\Two.jpg", "photos/two.JPG", "other_spelling"),
    ],
)
def test_a_name_that_differs_a_little_is_found_and_the_difference_is_named(root, name, file, change):
    put(root, "a.png", file, "photos/two.JPG")
    assert located(root, name) == (file, change)


@pytest.mark.parametrize(
    ("files", "name"),
    [
        (["a/1.jpg", "b/1.jpg"], "1.jpg"),
        (["x.jpg", "x.png"], "x"),
        (["A.jpg", "a.JPG"], "a.jpg"),
        (["full/1.jpg", "thumbs/1.jpg"], "1"),
    ],
)
def test_a_name_that_fits_several_files_is_not_guessed(root, files, name):
    put(root, *files)
    with pytest.raises(AmbiguousNameError, match="fits several files"):
        located(root, name)


def test_the_file_that_is_spelled_most_like_the_name_is_taken(root):
    put(root, "x/A.jpg", "y/a.jpg", "x/b c.jpg", "x/b%20c.jpg")
    assert located(root, "a.jpg") == ("y/a.jpg", "other_folder")
    assert located(root, "A.jpg") == ("x/A.jpg", "other_folder")
    assert located(root, "b%20c.jpg") == ("x/b%20c.jpg", "other_folder")
    assert located(root, "b c.jpg") == ("x/b c.jpg", "other_folder")


@pytest.mark.parametrize(
    "name", ["cat/1.png", "/x/cat/1.png", "other.png", "/etc/hostname", "cat/dog/1.png", "https.png", "", ".", "//"]
)
def test_a_folder_that_exists_decides_where_a_picture_should_be(root, name):
    put(root, "1.png", "dog/1.png", "cat/2.png")
    with pytest.raises(AbsentError):
        located(root, name)


@pytest.mark.parametrize("name", ["../secret.png", "/../secret.png", "/x/../images/a.png", "../a.png"])
def test_names_that_lead_out_are_refused_and_not_searched(root, tmp_path, name):
    put(root, "a.png")
    put(tmp_path, "secret.png")
    with pytest.raises(OutsideError):
        located(root, name)


def test_two_names_never_share_a_file_because_their_folders_were_cut(root):
    put(root, "001.jpg", "2.jpg")
    images = ImageRoot(root, lambda: ["/x/cat/001.jpg", r"\x\CAT\001.jpg"])
    assert images.locate("/x/cat/001.jpg")[0].name == "001.jpg"
    assert images.locate(r"\x\CAT\001.jpg")[0].name == "001.jpg"
    with pytest.raises(AmbiguousNameError, match=r"'001\.jpg': 'x/cat/001\.jpg' does too"):
        images.locate("/x/dog/001.jpg")
    assert images.locate("/x/cat/2.jpg")[0].name == "2.jpg"


def test_the_tree_is_not_read_when_all_names_are_exact(root, monkeypatch):
    put(root, "a.png", "in/b.png")
    images = ImageRoot(root)
    monkeypatch.setattr(os, "scandir", lambda path: pytest.fail("the folder was listed"))
    assert images.locate("a.png")[1] is None
    assert images.locate("in/b.png")[1] is None


@pytest.mark.parametrize(
    "name", ["www.example.org/a.png", "//cdn.example.org/a.png", "s3://bucket/a.png", "a.png|b.png"]
)
def test_what_is_no_name_of_a_file_is_not_searched(root, name):
    put(root, "a.png")
    with pytest.raises(AbsentError):
        located(root, name)
