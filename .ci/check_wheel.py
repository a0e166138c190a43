"""Check what a person gets from ``pip install``: the wheel holds what the tree holds, and works without the tree."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HOMES = {  # the longest path first
    "ablate/sweeps/hydra_plugin": "hydra_plugins/ablate",
    "ablate": "ablate",
    "plugins": "ablate_plugins",
    "conf": "ablate_conf",
}
"""Where the folders of the tree are in the wheel."""


def main() -> None:
    """Build, compare, install and run; stop at the first thing that is wrong."""
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        wheel = build(scratch / "dist")
        compare(wheel)
        python = install(wheel, scratch / "venv")
        run_in_empty_folder(python, scratch / "empty")
        run_in_clone(python, scratch / "outputs")


def build(folder: Path) -> Path:
    """Build the sdist, and the wheel from the sdist; return the wheel."""
    call(sys.executable, "-m", "build", "--outdir", str(folder), str(ROOT), cwd=ROOT)
    (wheel,) = folder.glob("*.whl")
    print(f"built {wheel.name}")
    return wheel


def compare(wheel: Path) -> None:
    """Stop unless the wheel holds every file of the packages, and no other."""
    expected = tree()
    with zipfile.ZipFile(wheel) as archive:
        packed = {file for file in archive.namelist() if ".dist-info/" not in file}
    missing, surplus = sorted(expected - packed), sorted(packed - expected)
    if missing or surplus:
        sys.exit(
            f"The wheel is not the tree. Missing in the wheel: {', '.join(missing) or 'nothing'}. "
            f"Only in the wheel: {', '.join(surplus) or 'nothing'}. See [tool.setuptools] in pyproject.toml."
        )
    print(f"its {len(packed)} files are those of the tree")


def tree() -> set[str]:
    """Return the path in the wheel of every file of the packages."""
    files = set()
    for folder in HOMES:
        for path in (ROOT / folder).rglob("*"):
            if path.is_file() and "__pycache__" not in path.parts:
                files.add(home(path.relative_to(ROOT).as_posix()))
    return files


def home(path: str) -> str:
    """Return where a file of the tree is in the wheel."""
    folder = next(folder for folder in HOMES if path.startswith(f"{folder}/"))
    return HOMES[folder] + path.removeprefix(folder)


def install(wheel: Path, venv: Path) -> str:
    """Install the wheel, without the developers' tools, in an environment of its own; return its Python."""
    call(sys.executable, "-m", "venv", str(venv), cwd=ROOT)
    python = str(venv / "bin" / "python")
    pins = str(ROOT / "constraints.txt")
    pip = (python, "-m", "pip", "--disable-pip-version-check", "--quiet")
    call(*pip, "install", "--constraint", pins, str(wheel), cwd=ROOT)
    call(*pip, "check", cwd=ROOT)
    print("installed in an environment of its own")
    return python


def run_in_empty_folder(python: str, folder: Path) -> None:
    """Train and list where nothing but the installed packages can be found."""
    folder.mkdir()
    call(python, "-m", "ablate", "trainer.max_epochs=1", cwd=folder)
    check_record(folder / "outputs")
    listing = call(python, "-m", "ablate", "plugins", cwd=folder)
    # A spelling mistake in an entry point, or a plugin file that is not packed, would cost a whole kind.
    for option in ("act=relu", "init=he", "norm=bn", "reg=l2", "pool=max", "opt=adam", "loss=auto"):
        if option not in listing:
            sys.exit(f"`python -m ablate plugins` does not list {option}:\n{listing}")
    call(str(Path(python).with_name("ablate")), "--help", cwd=folder)
    print("trains and lists in an empty folder")


def run_in_clone(python: str, outputs: Path) -> None:
    """Do the same standing in the clone, where ``ablate/`` is the clone's and ``plugins/`` must not get in the way."""
    call(python, "-m", "ablate", "trainer.max_epochs=1", f"output_dir={outputs}", cwd=ROOT)
    check_record(outputs)
    call(python, "-m", "ablate", "plugins", cwd=ROOT)
    print("trains and lists in the clone")


def check_record(outputs: Path) -> None:
    """Stop unless exactly one run is there, and finished."""
    statuses = [json.loads(path.read_text(encoding="utf-8"))["status"] for path in outputs.rglob("record.json")]
    if statuses != ["finished"]:
        sys.exit(f"One finished run was to be under {outputs}, not {statuses or 'none'}.")


def call(*command: str, cwd: Path) -> str:
    """Run a command and return its output; if it fails, show the output and stop."""
    environment = {**os.environ, "PYTHONIOENCODING": "utf-8"}
    done = subprocess.run(
        command,
        cwd=cwd,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        check=False,
    )
    if done.returncode != 0:
        sys.exit(f"{done.stdout}\nFailed with exit status {done.returncode}: {' '.join(command)}")
    return done.stdout


if __name__ == "__main__":
    main()
