"""What verbs print as JSON is what its schema says, and nothing else is printed beside it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from ablate.cli import catalogue
from ablate.cli.main import main
from ablate.registry import registry
from ablate.techniques import KINDS
from tests.helpers import python, short
from tests.recorded import recorded, with_layers

DOCS = Path(__file__).parent.parent / "docs"
SCHEMAS = {
    path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted((DOCS / "schemas").glob("*.json"))
}


def printed(capsys: pytest.CaptureFixture[str], *arguments: str, status: int = 0) -> Any:
    """Return what a verb prints with ``--json``, held to its schema."""
    capsys.readouterr()
    assert main([*arguments, "--json"]) == status
    out = capsys.readouterr().out
    content = json.loads(out, parse_constant=pytest.fail)
    errors = [f"{error.json_path}: {error.message[:200]}" for error in validator(arguments[0]).iter_errors(content)]
    assert errors == []
    return content


def validator(verb: str) -> Draft202012Validator:
    Draft202012Validator.check_schema(SCHEMAS[verb])
    return Draft202012Validator(SCHEMAS[verb])


def objects(schema: Any) -> Iterator[Any]:
    """Yield every object that a schema describes."""
    if isinstance(schema, dict):
        if "properties" in schema:
            yield schema
        for part in schema.values():
            yield from objects(part)
    elif isinstance(schema, list):
        for part in schema:
            yield from objects(part)


def test_every_schema_has_its_verb_and_its_place_on_the_page() -> None:
    page = (DOCS / "json.md").read_text(encoding="utf-8")
    assert set(re.findall(r"\(schemas/(\w+)\.json\)", page)) == set(SCHEMAS)
    assert all(verb in page for verb in SCHEMAS)


def test_studies_are_told_with_how_they_came_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert {one["outcome"] for one in printed(capsys, "studies")["studies"]} == {None}
    assert main(["study=softmax_gives_probabilities"]) == 0
    (told,) = printed(capsys, "studies", "softmax_gives_probabilities")["studies"]
    assert (told["outcome"]["verdict"], told["again"]) == ("holds exactly", None)
    assert told["outcome"]["digest"] == told["digest"]


def test_runs_are_listed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert printed(capsys, "runs") == {"schema": 1, "output_dir": "outputs", "sweeps": []}
    sweep = recorded(tmp_path, {"norm": ["none", "bn"]}, seeds=2, failed=[(1, 1)])
    (sweep.folder / "arm-00000000" / "seed=0" / "record.json").write_text("{")
    (told,) = printed(capsys, "runs")["sweeps"]
    assert [(run["arm"], run["seed"], run["status"]) for run in told["runs"]] == [
        ("norm=none", 1, "finished"),
        ("norm=bn", 0, "finished"),
        ("norm=bn", 1, "failed"),
    ]
    assert told["runs"][0]["settings"] == {"norm": "none"}
    assert told["runs"][2]["best"] is None
    assert "record.json cannot be read" in told["problems"][0]


def test_a_report_is_data(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sweep = recorded(tmp_path, {"norm": ["none", "bn"], "act": ["relu", "tanh"]}, failed=[(1, 1)])
    with_layers(sweep, {"00000001": 0.9})
    told = printed(capsys, "report", "made-up")
    assert told["design"]["factors"] == {"norm": ["none", "bn"], "act": ["relu", "tanh"]}
    assert len(told["runs"]) == 24
    assert told["imported"] == []
    assert told["effects"]
    assert told["interactions"]


def test_a_comparison_is_data_with_and_without_pairs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recorded(tmp_path, {"norm": ["none", "bn"]})
    told = printed(capsys, "compare", "00000000", "00000001")
    assert [one["side"] for one in told["sides"]] == ["A", "B"]
    assert told["contrasts"]
    for seed in range(3):
        (tmp_path / f"outputs/made-up/arm-00000000/seed={seed}/record.json").unlink()
        (tmp_path / f"outputs/made-up/arm-00000001/seed={seed + 3}/record.json").unlink()
    assert printed(capsys, "compare", "00000000", "00000001")["unpaired"]


def test_options_are_data_and_torch_is_not_imported(capsys: pytest.CaptureFixture[str]) -> None:
    told = printed(capsys, "plugins")
    assert {one["kind"]: {option["name"] for option in one["options"]} for one in told["kinds"]} == {
        kind: set(registry().options(kind)) for kind in KINDS
    }
    (kind,) = printed(capsys, "plugins", "init=xavier")["kinds"]
    (option,) = kind["options"]
    by_key = {one["key"]: one for one in option["parameters"]}
    assert by_key["init.gain"]["default"] == 1.0
    assert any("fan_avg" in (one["choices"] or []) for one in by_key.values())
    code = "import sys; from ablate.cli.main import main; main(['plugins', '--json']); sys.exit('torch' in sys.modules)"
    assert python("-c", code).returncode == 0


def test_costs_are_data_with_and_without_a_sweep(capsys: pytest.CaptureFixture[str]) -> None:
    (arm,) = printed(capsys, "summary", "model=cnn", "model.channels=[4]")["arms"]
    assert arm["levels"] == {}
    assert arm["parameters"] == sum(layer["parameters"] for layer in arm["layers"])
    arms = printed(capsys, "summary", "-m", "opt=sgd,adam", "model.width=8")["arms"]
    assert [(one["levels"], one["optimizer_state_bytes"] > 0) for one in arms] == [
        ({"opt": "sgd"}, False),
        ({"opt": "adam"}, True),
    ]


def test_findings_of_the_doctor_are_data(capsys: pytest.CaptureFixture[str]) -> None:
    told = printed(capsys, "doctor", *short("init=zeros"), status=1)
    assert "fail" in {one["verdict"] for one in told}


@pytest.mark.parametrize("verb", sorted(SCHEMAS))
def test_a_schema_says_what_every_object_has(verb: str) -> None:
    described = list(objects(SCHEMAS[verb]))
    assert described
    assert all(one.get("required") for one in described)


def test_help_names_json() -> None:
    assert catalogue._USAGE.count("--json") >= 3
