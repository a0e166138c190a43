"""The verb summary, and the costs in records and tables."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

import ablate
from ablate.cli.main import main
from ablate.record import read
from ablate.report.style import bytes_text, count_text
from ablate.report.terminal import print_sweep
from tests.helpers import short

CNN = ["model=cnn", "model.channels=[4]"]


def words(capsys: pytest.CaptureFixture[str]) -> list[list[str]]:
    out = capsys.readouterr().out
    assert max(map(len, out.splitlines())) <= 100
    return [line.split() for line in out.splitlines()]


@pytest.mark.parametrize("place", [0, -1])
def test_the_summary_has_a_row_for_each_layer_and_their_sums(place: int, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["summary", *CNN, "norm=bn"] if place == 0 else [*CNN, "norm=bn", "summary"]) == 0
    lines = words(capsys)
    assert lines[1] == ["layer", "type", "output", "parameters", "MACs", "sees", "stride"]
    first = ["body.0", "Conv2d", "4", "×", "8", "×", "8", "40", "2,304", "3", "×", "3", "1", "×", "1"]
    last = ["head.1", "Linear", "10", "650", "640", "image", "–"]
    assert first in lines
    assert last in lines
    assert ["body.3", "MaxPool2d", "4", "×", "4", "×", "4", "0", "0", "6", "×", "6", "2", "×", "2"] in lines
    text = "\n".join(map(" ".join, lines))
    parameters, macs = 40 + 8 + 148 + 8 + 650, 2304 + 9 * 16 * 64 + 640
    assert f"Parameters: {parameters:,}, all trainable" in text
    assert f"MACs: {macs:,} for one example of shape 1 × 8 × 8" in text
    assert "state of opt=adam 6.8 kB (2 × weights)" in text
    assert not Path("outputs").exists()


def test_a_network_without_maps_has_no_receptive_field(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["summary", "model=lstm", "data=digits_rows", "opt=sgd"]) == 0
    lines = words(capsys)
    assert lines[1] == ["layer", "type", "output", "parameters", "MACs"]
    assert ["cells.0.recurrent", "GatedLinear", "×", "8", "256", "16,384", "131,072"] in lines
    assert any("state of opt=sgd 0 B" in " ".join(line) for line in lines)


def test_the_summary_of_a_sweep_has_a_row_for_each_arm(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["summary", "-m", "model=cnn,mlp", "opt=sgd,adam", "seed=0,1"]) == 0
    lines = [line for line in words(capsys) if line]
    assert lines[0] == ["model", "opt", "parameters", "MACs", "optimizer", "state", "sees"]
    assert lines[2:] == [
        ["cnn", "sgd", "17,658", "379,136", "0", "B", "16", "×", "16"],
        ["cnn", "adam", "17,658", "379,136", "141.3", "kB", "16", "×", "16"],
        ["mlp", "sgd", "26,122", "25,856", "0", "B", "–"],
        ["mlp", "adam", "26,122", "25,856", "209.0", "kB", "–"],
    ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["summary", "nrom=bn"], "Did you mean 'norm'?"),
        (["norm=bn", "summary", "opt=sgd"], "'summary' is a verb and stands first, or last"),
        (["norm=bn", "runs"], "'runs' is a verb and stands first:"),
        (["summary", "norm=bn,none"], "add -m"),
        (["summary", "model=lstm"], "It needs sequences"),
        (["summary", "pool=max", "model=lstm", "data=digits_rows", "pool=avg"], "takes no part in pool"),
        (["summary", "--cfg", "job"], "summary takes settings such as norm=bn"),
        (["summary", "hydra/launcher=joblib"], "summary takes settings such as norm=bn"),
        (["-m", "cost=true,false"], "cost belongs to a whole sweep"),
    ],
)
def test_bad_input_is_one_sentence(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith("ablate: ")
    assert message in captured.err
    assert captured.err.count("\n") == 1
    assert captured.out == ""


def test_records_and_frames_hold_the_costs(short_sweep: Callable[[Sequence[str]], ablate.Sweep]) -> None:
    frame = short_sweep(["opt=sgd,adam", "norm=bn,none"]).frame().set_index(["opt", "norm"])
    macs = 64 * 8 + 8 * 8 + 8 * 10
    plain = 64 * 8 + 8 + 8 * 8 + 8 + 8 * 10 + 10
    assert set(frame["macs"]) == {macs}
    assert frame.loc[("adam", "none"), "parameters"] == plain
    assert frame.loc[("adam", "none"), "optimizer_state_bytes"] == 2 * 4 * plain
    assert frame.loc[("adam", "bn"), "optimizer_state_bytes"] == 2 * 4 * (plain + 4 * 8)
    assert [frame.loc[("sgd", norm), "optimizer_state_bytes"] for norm in ("bn", "none")] == [0, 0]


def test_cost_is_a_table_on_request_and_no_part_of_a_run(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(short("-m", "opt=sgd,adam")) == 0
    assert "MACs" not in capsys.readouterr().out
    assert main(short("-m", "opt=sgd,adam", "cost=true")) == 0
    out = capsys.readouterr().out
    assert "all done before" in out
    rows = [line.split() for line in out.splitlines()]
    assert ["opt", "parameters", "MACs", "optimizer", "state"] in rows
    assert ["adam", "682", "656", "5.5", "kB"] in rows
    assert ["sgd", "682", "656", "0", "B"] in rows


def test_records_of_before_are_read_and_shown_without_costs(
    short_sweep: Callable[[Sequence[str]], ablate.Sweep], capsys: pytest.CaptureFixture[str]
) -> None:
    settings = ["norm=bn,none", "cost=true"]
    for record in short_sweep(settings).records:
        path = record.folder / "record.json"
        content = json.loads(path.read_text())
        del content["macs"], content["optimizer_state_bytes"]
        path.write_text(json.dumps(content))
        assert read(record.folder).facts.macs is None
    result = short_sweep(settings)
    capsys.readouterr()
    print_sweep(result)
    assert ["none", "682", "–", "–"] in words(capsys)


def test_counts_and_bytes_read_easily() -> None:
    assert [count_text(n) for n in (0, 1234567, None, float("nan"))] == ["0", "1,234,567", "–", "–"]
    assert [bytes_text(n) for n in (0, 999, 1000, 2_500_000, None)] == ["0 B", "999 B", "1.0 kB", "2.5 MB", "–"]
