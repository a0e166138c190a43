"""Make a release from a clean tree: set its version, date its changelog, build both files, try them; upload nothing.

    python -m release [VERSION]

Without ``VERSION`` it is the one in ``pyproject.toml``. Where anything fails, both files stay as they were.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from release import wheel
from release.changelog import ReleaseError, released

SETTING = re.compile(r'^version = "(?P<version>[^"]*)"$', re.MULTILINE)


def main() -> None:
    """Read the command line; a release that is refused is one sentence."""
    parser = argparse.ArgumentParser(prog="python -m release", description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("version", nargs="?", help="such as 0.2.0; by default that of pyproject.toml")
    try:
        make(wheel.ROOT, parser.parse_args().version)
    except ReleaseError as refused:
        sys.exit(f"No release: {refused}")


def make(root: Path, version: str | None) -> None:
    """Leave the built files in ``dist/`` of ``root``, and say what is left to do by hand."""
    version = prepare(root, version)
    with put_back_on_failure(root / "pyproject.toml", root / "CHANGELOG.md"):
        write(root, version)
        with tempfile.TemporaryDirectory() as name:
            built = wheel.build(root, Path(name) / "dist")
            wheel.inspect(root, built)
            wheel.attempt(built.wheel, root / "constraints.txt", Path(name) / "newest")
            wheel.attempt(built.wheel, root / "constraints-oldest.txt", Path(name) / "oldest")
            shutil.copytree(built.wheel.parent, root / "dist", dirs_exist_ok=True)
    print(left_to_do(version, changed=bool(git(root, "status", "--porcelain"))))


def prepare(root: Path, version: str | None) -> str:
    """Return the version to release.

    Raises:
        ReleaseError: If the tree is not clean, or the version is tagged.
    """
    changes = git(root, "status", "--porcelain").splitlines()
    if changes:
        raise ReleaseError(f"the tree is not clean, commit or stash first: {', '.join(line[3:] for line in changes)}.")
    version = version or current(root)
    if git(root, "tag", "--list", f"v{version}"):
        raise ReleaseError(f"v{version} is tagged already: give the next version, make release VERSION=….")
    return version


def write(root: Path, version: str) -> None:
    """Write the version and its day into ``pyproject.toml`` and ``CHANGELOG.md``."""
    changelog, project = root / "CHANGELOG.md", root / "pyproject.toml"
    today = datetime.now(UTC).date()
    text = released(changelog.read_text(encoding="utf-8"), version, today)
    changelog.write_text(text, encoding="utf-8")
    text = SETTING.sub(f'version = "{version}"', project.read_text(encoding="utf-8"), count=1)
    project.write_text(text, encoding="utf-8")


def current(root: Path) -> str:
    """Return the version that ``pyproject.toml`` says."""
    found = SETTING.search((root / "pyproject.toml").read_text(encoding="utf-8"))
    if found is None:
        raise ReleaseError("pyproject.toml has no line 'version = \"…\"'.")
    return found["version"]


@contextmanager
def put_back_on_failure(*paths: Path) -> Iterator[None]:
    """Give files back what they held, should the body fail or be interrupted."""
    before = {path: path.read_bytes() for path in paths}
    try:
        yield
    except BaseException:
        for path, content in before.items():
            path.write_bytes(content)
        raise


def git(root: Path, *arguments: str) -> str:
    """Return what git says, without the line's end.

    Raises:
        ReleaseError: If git fails, as where there is no repository.
    """
    done = subprocess.run(["git", *arguments], cwd=root, capture_output=True, encoding="utf-8", check=False)
    if done.returncode != 0:
        raise ReleaseError(f"git {arguments[0]} failed: {done.stderr.strip()}")
    return done.stdout.rstrip("\n")


def left_to_do(version: str, *, changed: bool) -> str:
    """Return what a person does after a release was built: nothing here uploads or pushes."""
    commit = [f'git commit --all --message "Release {version}"'] if changed else []
    steps = [
        *commit,
        f'git tag --annotate v{version} --message "{version}"',
        "git push --follow-tags",
        f"python -m twine upload dist/lightning_ablate-{version}*",
    ]
    said = f"\n{version} is built and checked, in dist/. Left to do by hand:\n"
    return "\n".join([said, *(f"    {step}" for step in steps)])


if __name__ == "__main__":
    main()
