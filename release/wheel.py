"""Check what a person gets from ``pip install``: the wheel holds what the tree holds, and works without the tree."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
import tempfile
import tomllib
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
HOMES = {  # the longest path first
    "ablate/sweeps/hydra_plugin": "hydra_plugins/ablate",
    "ablate": "ablate",
    "plugins": "ablate_plugins",
    "conf": "ablate_conf",
}
"""Where the folders of the tree are in the wheel."""
BESIDE = ("LICENSE", "MANIFEST.in", "README.md", "pyproject.toml")
"""What the sdist holds of the tree beside these folders; setuptools adds its own PKG-INFO, setup.cfg and *.egg-info."""


class Built(NamedTuple):
    """The two files of a release."""

    sdist: Path
    wheel: Path


def main() -> None:
    """Build, compare, install and run; stop at the first thing that is wrong."""
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        built = build(ROOT, scratch / "dist")
        inspect(ROOT, built)
        python = attempt(built.wheel, ROOT / "constraints.txt", scratch)
        run_in_clone(python, scratch / "outputs")


def build(root: Path, folder: Path) -> Built:
    """Build the sdist, and the wheel from the sdist."""
    call(sys.executable, "-m", "build", "--outdir", str(folder), str(root), cwd=root)
    (sdist,), (wheel,) = folder.glob("*.tar.gz"), folder.glob("*.whl")
    print(f"built {sdist.name} and {wheel.name}", flush=True)
    return Built(sdist, wheel)


def inspect(root: Path, built: Built) -> None:
    """Stop unless PyPI would take both files, and both hold the packages of the tree byte by byte, and nothing else.

    As the wheel was built from the sdist, anybody else's of it is the same.
    """
    call(sys.executable, "-m", "twine", "check", "--strict", *map(str, built), cwd=root)
    files = tree(root)
    in_wheel = {home(path): content for path, content in files.items()}
    agree("wheel", in_wheel, read_wheel(built.wheel))
    beside = {path: (root / path).read_bytes() for path in BESIDE}
    agree("sdist", files | beside, read_sdist(built.sdist))
    project = tomllib.loads(beside["pyproject.toml"].decode())
    for package in project["tool"]["setuptools"]["packages"]:
        if not any(path.startswith(package.replace(".", "/") + "/") for path in in_wheel):
            sys.exit(f"pyproject.toml names the package {package}, which is not in the wheel.")
    print(f"both hold the {len(files)} files of the tree's packages, to the byte", flush=True)


def agree(what: str, expected: Mapping[str, bytes], packed: Mapping[str, bytes]) -> None:
    """Stop unless what is packed is what is expected."""
    wrong = {
        "Missing in it": expected.keys() - packed.keys(),
        "Only in it": packed.keys() - expected.keys(),
        "Different in it": {path for path in expected.keys() & packed.keys() if expected[path] != packed[path]},
    }
    if any(wrong.values()):
        said = " ".join(f"{how}: {', '.join(sorted(paths))}." for how, paths in wrong.items() if paths)
        sys.exit(f"The {what} is not the tree. {said} See [tool.setuptools] in pyproject.toml, and MANIFEST.in.")


def tree(root: Path) -> dict[str, bytes]:
    """Return every file of the packages by its path in the tree."""
    return {
        path.relative_to(root).as_posix(): path.read_bytes()
        for folder in HOMES
        for path in (root / folder).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


def home(path: str) -> str:
    """Return where a file of the tree is in the wheel."""
    folder = next(folder for folder in HOMES if path.startswith(f"{folder}/"))
    return HOMES[folder] + path.removeprefix(folder)


def read_wheel(path: Path) -> dict[str, bytes]:
    """Return the files of a wheel, but for what describes them."""
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist() if ".dist-info/" not in name}


def read_sdist(path: Path) -> dict[str, bytes]:
    """Return the files of an sdist by their path in the tree, but for what setuptools adds."""
    found = {}
    with tarfile.open(path) as archive:
        for member in archive.getmembers():
            name = member.name.partition("/")[2]
            content = archive.extractfile(member)
            if content and ".egg-info/" not in name and name not in ("PKG-INFO", "setup.cfg"):
                found[name] = content.read()
    return found


def attempt(wheel: Path, pins: Path, scratch: Path) -> str:
    """Install the wheel with one set of versions, and use it in an empty folder; return the Python that has it."""
    print(f"with {pins.name}:", flush=True)
    python = install(wheel, pins, scratch / "venv")
    use_in_empty_folder(python, scratch / "empty")
    return python


def install(wheel: Path, pins: Path, venv: Path) -> str:
    """Install the wheel, without the developers' tools, in an environment of its own; return its Python."""
    call(sys.executable, "-m", "venv", str(venv), cwd=ROOT)
    python = str(venv / "bin" / "python")
    pip = (python, "-m", "pip", "--disable-pip-version-check", "--quiet")
    call(*pip, "install", "--constraint", str(pins), str(wheel), cwd=ROOT)
    call(*pip, "check", cwd=ROOT)
    print("  installed in an environment of its own", flush=True)
    return python


def use_in_empty_folder(python: str, folder: Path) -> None:
    """List, sweep, report and begin a plugin where nothing but the installed packages can be found."""
    folder.mkdir()
    ablate = (python, "-m", "ablate")
    # A spelling mistake in an entry point, or a plugin file that is not packed, would cost a whole kind.
    options = ("act=relu", "init=he", "norm=bn", "reg=l2", "pool=max", "opt=adam", "loss=auto", "model=mlp")
    expect(call(*ablate, "plugins", cwd=folder), *options)
    expect(call(*ablate, "studies", cwd=folder), "bn_speeds_convergence")
    expect(call(str(Path(python).with_name("ablate")), "--help", cwd=folder), "norm")
    call(*ablate, "new", "plugin", "snake", "--kind", "act", cwd=folder)
    said = call(*ablate, "-m", "norm=bn,none", "seed=range(0,3)", "trainer.max_epochs=2", cwd=folder)
    expect(said, "norm=bn against none", "mean validation loss")
    check_records(folder / "outputs", runs=6)
    call(*ablate, "report", "digits-mlp", cwd=folder)
    missing = [name for name in ("report.html", "report.json") if not (folder / "outputs/digits-mlp" / name).is_file()]
    if missing:
        sys.exit(f"The sweep has left no {' and no '.join(missing)}.")
    print("  lists, sweeps, reports and begins a plugin in an empty folder", flush=True)


def run_in_clone(python: str, outputs: Path) -> None:
    """Train and list in the clone, where ``ablate/`` is the clone's and ``plugins/`` must not get in the way."""
    call(python, "-m", "ablate", "trainer.max_epochs=1", f"output_dir={outputs}", cwd=ROOT)
    check_records(outputs, runs=1)
    call(python, "-m", "ablate", "plugins", cwd=ROOT)
    print("  trains and lists in the clone", flush=True)


def check_records(outputs: Path, *, runs: int) -> None:
    """Stop unless as many runs are there, and finished."""
    statuses = [json.loads(path.read_text(encoding="utf-8"))["status"] for path in outputs.rglob("record.json")]
    if statuses != ["finished"] * runs:
        sys.exit(f"{runs} finished runs were to be under {outputs}, not {statuses or 'none'}.")


def expect(said: str, *words: str) -> None:
    """Stop unless an output has each of these."""
    for word in words:
        if word not in said:
            sys.exit(f"{said}\nThis output was to have '{word}'.")


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
