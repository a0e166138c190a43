"""What came out of a study, and the file that keeps it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from ablate.atomic import write_atomically
from ablate.errors import RecordError
from ablate.studies.arguments import FOLDER


class Verdict(StrEnum):
    """How the claim came out."""

    supported = "supported"
    refuted = "refuted (reversed)"
    none = "no effect (equivalent within the margin)"
    inconclusive = "inconclusive"
    conditional = "holds only when…"
    holds = "holds exactly"
    fails = "does not hold"


class Agreement(StrEnum):
    """How what came out on other seeds compares with what came out first."""

    same = "the same"
    open = "open where they differ"
    other = "otherwise than first"


@dataclass(frozen=True)
class Finding:
    """One contrast of a study, in the unit of its measure."""

    where: str
    """The level of the condition, ``opt.lr=0.1``; empty without one."""
    verdict: Verdict
    difference: str
    """The estimate with its interval, in words."""
    estimate: float | None = None
    low: float | None = None
    high: float | None = None
    seeds: int = 0
    p: float | None = None
    """The larger of the two tests' p, after Holm: of a difference, or of an equivalence where that is called."""
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Outcome:
    """The verdict on a claim and what it stands on."""

    study: str
    digest: str
    """Of the definition that was tested."""
    verdict: Verdict
    headline: str
    """The verdict in full: ``holds only when opt.lr=0.1``."""
    reading: str
    """A paragraph in plain words, made of the numbers."""
    findings: list[Finding] = field(default_factory=list)
    seeds: list[int] = field(default_factory=list)
    runs: int = 0
    seconds: float = 0.0
    """In training, all runs together, whichever process had them; of a check its own time."""

    def agreement(self, again: Outcome) -> Agreement:
        """Return how ``again``, on other seeds, compares: within each level of the condition."""
        if self.contradicted(again):
            return Agreement.other
        return Agreement.same if all(a is b.verdict for a, b in self._pairs(again)) else Agreement.open

    def contradicted(self, again: Outcome) -> list[Finding]:
        """Return what ``again`` found otherwise, where neither is open."""
        return [b for a, b in self._pairs(again) if a is not b.verdict and Verdict.inconclusive not in (a, b.verdict)]

    def _pairs(self, again: Outcome) -> list[tuple[Verdict, Finding]]:
        second = {one.where: one for one in again.findings}
        none = Finding("", Verdict.inconclusive, "")
        return [(one.verdict, second.get(one.where, none)) for one in self.findings]

    def save(self, root: Path, figure: str | None = None, *, again: bool = False) -> None:
        """Write it, and its figure as SVG, under ``root``; ``again`` beside what came out first."""
        write_atomically(_file(root, self.study, again), json.dumps(asdict(self), indent=2, ensure_ascii=False) + "\n")
        if figure:
            write_atomically(folder_of(root) / f"{self.study}.svg", figure + "\n")

    @classmethod
    def load(cls, root: Path, study: str, *, again: bool = False) -> Outcome | None:
        """Return the last outcome of a study under ``root``, or that on other seeds; None where there is none."""
        path = _file(root, study, again)
        if not path.is_file():
            return None
        try:
            content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
            findings = [Finding(**{**one, "verdict": Verdict(one["verdict"])}) for one in content.pop("findings")]
            return cls(**{**content, "verdict": Verdict(content["verdict"]), "findings": findings})
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise RecordError(f"{path} cannot be read. Delete it; the study's command writes it anew.") from error


def _file(root: Path, study: str, again: bool) -> Path:
    return folder_of(root) / f"{study}{'.again' if again else ''}.json"


def folder_of(root: Path) -> Path:
    """Return where the verdicts are kept under ``root``, the folder of all sweeps."""
    return root / FOLDER / "verdicts"


def figure_of(root: Path, study: str) -> str:
    """Return the figure of the last outcome as an ``<svg>`` element; nothing where there is none."""
    path = folder_of(root) / f"{study}.svg"
    return path.read_text(encoding="utf-8") if path.is_file() else ""
