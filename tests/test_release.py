"""A release: what it does to the changelog, what it refuses, and what it checks of the files it builds."""

from __future__ import annotations

import io
import subprocess
import tarfile
import zipfile
from datetime import date
from pathlib import Path

import pytest

from release import __main__ as release
from release import wheel
from release.changelog import ReleaseError, released

DAY = date(2026, 12, 24)
ENTRIES = "\n\n### Added\n\n- A thing.\n"


def changelog(*headings: str) -> str:
    return "# Changelog\n\n" + "\n".join(f"## {heading}{ENTRIES}" for heading in headings)


def git(folder: Path, *arguments: str) -> None:
    who = ("-c", "user.name=N", "-c", "user.email=n@example.org")
    subprocess.run(["git", *who, *arguments], cwd=folder, check=True, capture_output=True)


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A clean tree whose changelog waits for 0.1.0."""
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "x"\nversion = "0.1.0"\n')
    (tmp_path / "CHANGELOG.md").write_text(changelog("[0.1.0] – unreleased"))
    git(tmp_path, "init")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-m", "all")
    return tmp_path


@pytest.mark.parametrize("waiting", ["[0.2.0] – unreleased", "[0.2.0] - Unreleased", "[Unreleased]"])
def test_the_section_that_waits_is_dated_and_an_empty_one_opened(waiting: str) -> None:
    before, after = (
        changelog(waiting, "[0.1.0] - 2026-01-01"),
        released(changelog(waiting, "[0.1.0] - 2026-01-01"), "0.2.0", DAY),
    )
    assert after == before.replace(f"## {waiting}", "## [Unreleased]\n\n## [0.2.0] – 2026-12-24")


def test_a_section_called_unreleased_stays_where_the_version_has_one_of_its_own() -> None:
    text = released(changelog("[Unreleased]", "[0.2.0] – unreleased"), "0.2.0", DAY)
    assert text == changelog("[Unreleased]", "[0.2.0] – 2026-12-24")


def test_a_release_that_is_dated_is_left_as_it_is() -> None:
    text = changelog("[Unreleased]", "[0.2.0] – 2026-12-01")
    assert released(text, "0.2.0", DAY) == text


@pytest.mark.parametrize(
    ("text", "version", "said"),
    [
        (changelog("[Unreleased]"), "2.0", "'2.0' is no version of the form 1.2.3"),
        (changelog("[0.1.0] – 2026-01-01"), "0.2.0", "no section of version 0.2.0 and none called Unreleased"),
        (changelog("[0.3.0] – unreleased"), "0.2.0", "calls what is to come 0.3.0, not 0.2.0"),
        (changelog("[Unreleased]", "[0.10.0] – 2026-01-01"), "0.9.0", "0.9.0 is not later than 0.10.0"),
        ("## [Unreleased]\n\n## [0.1.0] - 2026-01-01\n\n- A thing.\n", "0.2.0", "says nothing under 'Unreleased'"),
    ],
)
def test_a_changelog_that_does_not_fit_is_one_sentence(text: str, version: str, said: str) -> None:
    with pytest.raises(ReleaseError, match=said):
        released(text, version, DAY)


def test_a_tree_with_changes_is_refused_by_their_names(clone: Path) -> None:
    assert release.prepare(clone, None) == "0.1.0"
    (clone / "new.txt").touch()
    with pytest.raises(ReleaseError, match=r"the tree is not clean, commit or stash first: new.txt\."):
        release.prepare(clone, None)


def test_a_version_that_is_tagged_is_refused(clone: Path) -> None:
    git(clone, "tag", "v0.1.0")
    with pytest.raises(ReleaseError, match=r"v0\.1\.0 is tagged already"):
        release.prepare(clone, None)
    assert release.prepare(clone, "0.2.0") == "0.2.0"


def test_a_release_leaves_files_in_dist_and_what_to_do_by_hand(
    clone: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def build(root: Path, folder: Path) -> wheel.Built:
        folder.mkdir()
        for name in ("x.tar.gz", "x.whl"):
            (folder / name).write_text((root / "pyproject.toml").read_text())
        return wheel.Built(folder / "x.tar.gz", folder / "x.whl")

    tried: list[str] = []
    monkeypatch.setattr(wheel, "build", build)
    monkeypatch.setattr(wheel, "inspect", lambda root, built: None)
    monkeypatch.setattr(wheel, "attempt", lambda built, pins, scratch: tried.append(pins.name))
    (clone / "CHANGELOG.md").write_text(changelog("[Unreleased]"))
    git(clone, "commit", "--all", "-m", "next")
    release.make(clone, "0.2.0")
    assert tried == ["constraints.txt", "constraints-oldest.txt"]
    assert 'version = "0.2.0"' in (clone / "dist" / "x.whl").read_text()
    assert "## [0.2.0] – " in (clone / "CHANGELOG.md").read_text()
    said = capsys.readouterr().out
    assert "git tag --annotate v0.2.0" in said
    assert "twine upload dist/lightning_ablate-0.2.0*" in said


def test_a_release_that_fails_leaves_both_files_as_they_were(clone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def build(root: Path, folder: Path) -> wheel.Built:
        assert release.current(root) == "0.1.1"
        raise SystemExit("no network")

    monkeypatch.setattr(wheel, "build", build)
    (clone / "CHANGELOG.md").write_text(changelog("[Unreleased]"))
    git(clone, "commit", "--all", "-m", "next")
    with pytest.raises(SystemExit, match="no network"):
        release.make(clone, "0.1.1")
    assert release.current(clone) == "0.1.0"
    assert (clone / "CHANGELOG.md").read_text() == changelog("[Unreleased]")


def test_what_is_packed_has_to_be_what_is_in_the_tree() -> None:
    tree = {"a.py": b"1", "b.py": b"2"}
    wheel.agree("wheel", tree, dict(tree))
    with pytest.raises(SystemExit, match=r"Missing in it: b.py\. Only in it: tests/c.py\. Different in it: a.py\."):
        wheel.agree("wheel", tree, {"a.py": b"3", "tests/c.py": b""})


def test_what_setuptools_adds_to_an_archive_is_not_compared(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.whl", "w") as whole:
        for name in ("ablate/a.py", "x-1.dist-info/METADATA"):
            whole.writestr(name, b"1")
    with tarfile.open(tmp_path / "x.tar.gz", "w:gz") as sdist:
        for name in ("x-1/ablate/a.py", "x-1/PKG-INFO", "x-1/setup.cfg", "x-1/x.egg-info/SOURCES.txt"):
            member = tarfile.TarInfo(name)
            member.size = 1
            sdist.addfile(member, io.BytesIO(b"1"))
    assert wheel.read_wheel(tmp_path / "x.whl") == {"ablate/a.py": b"1"}
    assert wheel.read_sdist(tmp_path / "x.tar.gz") == {"ablate/a.py": b"1"}


def test_every_file_of_the_tree_has_a_place_in_the_wheel() -> None:
    homes = {wheel.home(path) for path in wheel.tree(wheel.ROOT)}
    assert {"ablate/py.typed", "ablate_conf/config.yaml", "ablate_plugins/activation.py"} <= homes
    assert any(path.startswith("ablate_conf/study/") for path in homes)
    assert any(path.startswith("ablate/templates/") for path in homes)
    assert any(path.startswith("hydra_plugins/ablate/") for path in homes)
