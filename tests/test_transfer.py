from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

import ablate
from ablate.cli.main import main
from ablate.composition import config_loader
from ablate.config import Config
from ablate.errors import ConfigError
from ablate.kit import Kit
from ablate.module import AblationModule
from ablate.record import Record, Status
from ablate.source import locate
from ablate.sweeps.plan import Plan, make_plan
from ablate.techniques import DataSpec
from tests.helpers import short

Maker = Callable[..., Config]
Runner = Callable[[Sequence[str]], ablate.Sweep]

SMALL = "data.train_size=32"


def saved(path: Path) -> dict[str, Tensor]:
    """Return the network's weights and buffers in a checkpoint."""
    state = torch.load(path, weights_only=True)["state_dict"]
    return {k.removeprefix("model."): v for k, v in state.items() if k.startswith("model.")}


def network(*settings: str) -> dict[str, Tensor]:
    return ablate.build(ablate.compose(short(*settings))).model.state_dict()


def plan(*arguments: str) -> Plan:
    with config_loader() as loader:
        return make_plan(short(*arguments), loader, sweep=True)


def hash_of(*settings: str) -> str:
    return ablate.compose(short(*settings)).arm_hash


@pytest.fixture
def pretrained(short_config: Maker) -> Record:
    """A finished run with batch norm and dropout."""
    return ablate.run(short_config("norm=bn", "reg=dropout"))


@pytest.fixture
def plain(short_config: Maker) -> str:
    """The arm hash of a finished run with nothing chosen."""
    return ablate.run(short_config()).facts.arm_hash


def test_every_weight_and_buffer_is_that_of_the_best_checkpoint(pretrained: Record) -> None:
    loaded = network("norm=bn", "reg=dropout", SMALL, f"init_from={pretrained.facts.arm_hash}")
    expected = saved(pretrained.checkpoint)
    assert loaded.keys() == expected.keys()
    assert all(torch.equal(loaded[name], expected[name]) for name in expected)
    assert loaded["body.2.0.running_mean"].abs().sum() > 0


def test_the_best_weights_are_loaded_not_the_last(short_config: Maker) -> None:
    record = ablate.run(short_config("trainer.max_epochs=6", "trainer.validations=12", "opt.lr=0.3"))
    best, last = saved(record.checkpoint), saved(record.folder / "last.ckpt")
    assert not torch.equal(best["head.weight"], last["head.weight"])
    assert torch.equal(network(SMALL, f"init_from={record.facts.arm_hash}")["head.weight"], best["head.weight"])


@pytest.mark.parametrize("head", ["new", "frozen"])
def test_a_new_head_is_what_the_initialiser_gives_for_the_seed(pretrained: Record, head: str) -> None:
    settings = ("norm=bn", "reg=dropout", SMALL)
    source = f"init_from='{pretrained.facts.arm_hash}/seed=0'"
    for seed in ("seed=0", "seed=3"):
        made = network(*settings, source, f"init_head={head}", seed)
        scratch, expected = network(*settings, seed), saved(pretrained.checkpoint)
        for name, tensor in made.items():
            assert torch.equal(tensor, scratch[name] if name.startswith("head.") else expected[name]), name


def test_what_differs_in_shape_or_name_is_fresh_and_said(pretrained: Record) -> None:
    settings = ("norm=bn", "reg=dropout", "data=wine", "data.train_size=32")
    module = ablate.build(ablate.compose(short(*settings, f"init_from={pretrained.folder.parent}")))
    transfer = module.transfer
    assert transfer is not None
    assert transfer.fresh == {
        "body.1.weight": "(8, 13) against (8, 64) in the source",
        "head.weight": "(3, 8) against (10, 8) in the source",
        "head.bias": "(3) against (10) in the source",
    }
    scratch, expected, made = network(*settings), saved(pretrained.checkpoint), module.model.state_dict()
    for name, tensor in made.items():
        assert torch.equal(tensor, (scratch if name in transfer.fresh else expected)[name]), name
    weights = {name: p.numel() for name, p in module.model.named_parameters()}
    missing = 8 * 13 + 3 * 8 + 3
    assert transfer.share == pytest.approx(1 - missing / sum(weights.values()), abs=1e-12)
    assert "13 of 16 tensors loaded, 46 % of the weights; not loaded: body.1.weight (8, 13) against" in str(transfer)


@pytest.mark.parametrize("setting", ["norm=weight", "model.width=16"])
def test_biases_alone_are_no_transfer(plain: str, setting: str) -> None:
    config = ablate.compose(short(setting, f"init_from={plain}"))
    with pytest.raises(ConfigError, match="none of its weight matrices has the name and shape of one in this network"):
        ablate.build(config)


def test_what_the_source_has_over_is_said(short_config: Maker) -> None:
    deeper = ablate.run(short_config("model.depth=3"))
    transfer = ablate.build(short_config(f"init_from={deeper.facts.arm_hash}")).transfer
    assert transfer is not None
    assert transfer.unused == ["body.4.0.weight", "body.4.0.bias"]
    assert str(transfer) == "6 of 6 tensors loaded, 100 % of the weights; no place for: body.4.0.weight, body.4.0.bias"


@pytest.mark.parametrize("norm", ["weight", "spectral"])
def test_computed_weights_are_loaded_into_their_like(short_config: Maker, norm: str) -> None:
    record = ablate.run(short_config(f"norm={norm}"))
    loaded, expected = network(f"norm={norm}", SMALL, f"init_from={record.facts.arm_hash}"), saved(record.checkpoint)
    assert loaded.keys() == expected.keys()
    assert all(torch.equal(loaded[name], expected[name]) for name in expected)


@pytest.mark.parametrize("opt", ["adamw", "muon", "lbfgs"])
def test_a_frozen_body_stays_the_same_bit_for_bit_while_the_head_learns(
    pretrained: Record, short_config: Maker, opt: str
) -> None:
    regs = "reg=[dropout,max_norm,l2]"  # two that would move frozen weights if they could
    config = short_config(
        *("norm=bn", regs, "reg.max_norm.limit=0.1", SMALL, f"opt={opt}", "trainer.max_epochs=3"),
        *(f"init_from={pretrained.facts.arm_hash}", "init_head=frozen"),
    )
    record = ablate.run(config)
    before, after = saved(pretrained.checkpoint), saved(record.folder / "last.ckpt")
    for name, tensor in after.items():
        if not name.startswith("head."):
            assert torch.equal(tensor, before[name]), name
    start = ablate.build(config).model.state_dict()
    assert not torch.equal(after["head.weight"], start["head.weight"])
    assert record.facts.transfer is not None
    assert record.facts.transfer["trained"] == 8 * 10 + 10
    assert record.facts.transfer["weights"] == record.facts.parameters


def test_the_optimizer_of_a_frozen_body_holds_the_head_alone(
    pretrained: Record, short_config: Maker, monkeypatch: pytest.MonkeyPatch
) -> None:
    held: list[set[str]] = []
    original = AblationModule.configure_optimizers

    def spy(module: AblationModule) -> object:
        built = original(module)
        assert isinstance(built, dict)
        names = {id(p): name for name, p in module.model.named_parameters()}
        held.append({names[id(p)] for group in built["optimizer"].param_groups for p in group["params"]})
        return built

    monkeypatch.setattr(AblationModule, "configure_optimizers", spy)
    start = ("norm=bn", "reg=dropout", SMALL, f"init_from={pretrained.facts.arm_hash}")
    ablate.run(short_config(*start, "init_head=frozen"))
    ablate.run(short_config(*start, "init_head=new"))
    assert held[0] == {"head.weight", "head.bias"}
    assert held[1] > {"head.weight", "head.bias", "body.1.weight"}


def test_a_frozen_body_neither_drops_nor_gathers_statistics_whoever_asks_for_training(pretrained: Record) -> None:
    start = ("norm=bn", "reg=dropout", SMALL, f"init_from={pretrained.facts.arm_hash}")
    model = ablate.build(ablate.compose(short(*start, "init_head=frozen"))).model.train()
    x = torch.randn(16, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    assert torch.equal(model(x), model(x))
    assert torch.equal(model.train()(x), model.eval()(x))
    mean = "body.2.0.running_mean"
    assert torch.equal(model.state_dict()[mean], saved(pretrained.checkpoint)[mean])


@pytest.mark.parametrize(
    "settings",
    [
        ("model=mlp",),
        ("model=cnn", "model.channels=[4]"),
        ("model=fcn", "data=digits_canvas", "data.count=20", "model.channels=[4]"),
        ("model=lstm", "data=digits_rows", "model.hidden=4"),
    ],
)
def test_every_sort_of_network_has_a_head_to_renew(settings: tuple[str, ...]) -> None:
    common = [*settings, "trainer.max_epochs=1", "trainer.validations=1", "data.train_size=12"]
    record = ablate.run(ablate.compose(common))
    start = (f"init_from={record.facts.arm_hash}", "init_head=frozen")
    transfer = ablate.build(ablate.compose([*common, *start])).transfer
    assert transfer is not None
    assert set(transfer.fresh.values()) == {"(new head)"}
    assert 0 < transfer.trained < transfer.weights


class Headless(nn.Module):
    """A network whose layers have other names."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.last = nn.Linear(64, width)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.last(x.flatten(1))
        return out


def headless(config: Config) -> Config:
    def build(kit: Kit, spec: DataSpec) -> nn.Module:
        return Headless(10)

    config.model.build = build  # type: ignore[method-assign]
    return config


def test_a_network_without_a_head_cannot_have_a_new_one(plain: str, short_config: Maker) -> None:
    with pytest.raises(ConfigError, match=r"init_head=new: .*model=mlp has no submodule 'head'.*init_head=keep"):
        ablate.build(headless(short_config(f"init_from={plain}", "init_head=new")))


def test_a_source_of_which_nothing_fits_is_refused(plain: str, short_config: Maker) -> None:
    with pytest.raises(
        ConfigError, match=r"none of its weight matrices .*here: last.weight \(10, 64\).*there: body.1.weight"
    ):
        ablate.build(headless(short_config(f"init_from={plain}")))


def test_what_was_loaded_stands_in_the_record_and_in_the_listing(
    pretrained: Record, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = ("norm=bn", "reg=dropout", SMALL, f"init_from={pretrained.facts.arm_hash}", "init_head=new")
    assert main(short(*settings)) == 0
    out = capsys.readouterr().out
    assert f"init_from={pretrained.facts.arm_hash} init_head=new: 14 of 16 tensors loaded, 87 % of the weights" in out
    assert "not loaded: head.weight (new head), head.bias (new head)" in out
    record = ablate.run(ablate.compose(short(*settings)))
    transfer = json.loads((record.folder / "record.json").read_text())["transfer"]
    assert transfer["source"] == f"{pretrained.facts.arm_hash}/seed=0"
    assert transfer["fresh"] == {"head.weight": "(new head)", "head.bias": "(new head)"}
    assert len(transfer["loaded"]) == 14
    assert record.config["init_from"] == pretrained.facts.arm_hash
    main(["runs"])
    listed = capsys.readouterr().out
    assert pretrained.facts.arm_hash in listed
    assert "87 %" in listed


def test_an_arm_gives_each_seed_its_own_run(short_sweep: Runner) -> None:
    source = short_sweep(["seed=0,1"])
    digest = source.records[0].facts.arm_hash
    tuned = short_sweep([SMALL, f"init_from={digest}", "seed=0,1"])
    for record in tuned.records:
        seed = record.facts.seed
        assert (record.facts.transfer or {})["source"] == f"{digest}/seed={seed}"
        expected = saved(source.records[seed].checkpoint)
        loaded = network(SMALL, f"init_from={digest}", f"seed={seed}")
        assert all(torch.equal(loaded[name], expected[name]) for name in expected)
    with pytest.raises(ConfigError, match=r"this arm has no run with seed=2, .*Seeds there: 0, 1\..*/seed=0'"):
        plan(SMALL, f"init_from={digest}", "seed=0,2")


def test_one_run_for_all_seeds_has_seen_examples_of_their_splits(plain: str) -> None:
    (warning,) = plan(SMALL, f"init_from='{plain}/seed=0'", "seed=0,1").warnings
    assert "has learned with seed=0, whose split is another" in warning
    assert not plan(SMALL, f"init_from='{plain}/seed=0'", "seed=0").warnings


def test_what_a_source_has_seen_is_known_along_a_chain(plain: str, short_config: Maker) -> None:
    second = ablate.run(short_config(SMALL, f"init_from='{plain}/seed=0'", "seed=1"))
    (warning,) = plan(SMALL, f"init_from={second.facts.arm_hash}", "seed=1").warnings
    assert "has learned with seed=0, whose split is another" in warning


def test_other_data_of_the_same_images_is_no_excuse(plain: str) -> None:
    (warning,) = plan("data=digits_rows", SMALL, f"init_from='{plain}/seed=0'", "seed=1").warnings
    assert "has learned with seed=0" in warning


def test_scratch_and_every_way_to_start_are_arms_of_one_table(plain: str, short_sweep: Runner) -> None:
    alone = ablate.run(ablate.compose(short(SMALL)))
    sweep = short_sweep([SMALL, f"init_from={plain}", "init_head=scratch,keep,new,frozen"])
    frame = sweep.frame().set_index("init_head")
    assert list(frame.index) == ["scratch", "keep", "new", "frozen"]
    assert frame.loc["scratch", "arm_hash"] == alone.facts.arm_hash
    assert frame.loc["scratch", "arm"] == "init_head=scratch"
    assert frame.loc["keep", "arm"] == f"init_from={plain},init_head=keep"
    assert SMALL in sweep.names.shared
    assert frame["arm_hash"].nunique() == 4
    pair = short_sweep([SMALL, f"init_from=null,{plain}"]).frame()
    assert list(pair["init_from"]) == ["null", plain]
    assert set(pair["arm_hash"]) == {alone.facts.arm_hash, frame.loc["keep", "arm_hash"]}


def test_identity_is_the_sources_content_not_its_place(pretrained: Record, short_config: Maker) -> None:
    arm, run = pretrained.folder.parent, pretrained.folder
    digest = pretrained.facts.arm_hash
    settings = ("norm=bn", "reg=dropout", SMALL)
    by_arm = hash_of(*settings, f"init_from={arm}")
    by_run = hash_of(*settings, f"init_from={run}")
    assert by_arm == hash_of(*settings, f"init_from={digest}")
    assert by_run == hash_of(*settings, f"init_from='{digest}/seed=0'")
    (run / "best.ckpt").unlink()  # planning reads no weights
    shutil.move("outputs", "elsewhere")
    assert by_arm == hash_of(*settings, f"init_from=elsewhere/{arm.relative_to('outputs')}")
    assert by_run == hash_of(*settings, f"init_from=elsewhere/{run.relative_to('outputs')}")
    assert by_arm == hash_of(*settings, f"init_from={digest}", "output_dir=elsewhere")
    start = f"init_from=elsewhere/{arm.relative_to('outputs')}"
    heads = (hash_of(*settings, start, f"init_head={head}") for head in ("new", "frozen"))
    assert len({hash_of(*settings), by_arm, by_run, *heads}) == 5


def test_no_source_leaves_hashes_and_settings_as_they_were() -> None:
    config = ablate.compose(["init_from=null"])
    assert config.arm_hash == ablate.compose().arm_hash
    assert not {"init_from", "init_head"} & config.flat().keys()


def test_a_chain_of_sources_ends_in_other_arms_than_its_links(plain: str, short_config: Maker) -> None:
    second = ablate.run(short_config(SMALL, f"init_from={plain}"))
    third = ablate.run(short_config(SMALL, f"init_from={second.facts.arm_hash}"))
    assert third.status is Status.finished
    assert len({plain, second.facts.arm_hash, third.facts.arm_hash}) == 3


def test_a_run_from_itself_is_another_run(plain: str, short_config: Maker) -> None:
    again = ablate.run(short_config(f"init_from={plain}"))
    assert again.facts.arm_hash != plain
    assert (again.facts.transfer or {})["source"] == f"{plain}/seed=0"


def test_folders_may_be_given_as_they_are_or_in_quotes(pretrained: Record, short_config: Maker) -> None:
    folder = str(pretrained.folder)
    assert "norm=bn,reg=dropout" in folder
    found = {short_config("norm=bn", f"init_from={text}").arm_hash for text in (folder, f"'{folder}'")}
    assert len(found) == 1
    with pytest.raises(ConfigError, match=r"cannot be read, as = and , mean something.*init_from='outputs/"):
        short_config(f"init_from=null,{folder}")
    assert len(plan("norm=bn", f"init_from=null,'{folder}'").runs) == 2


def test_a_hash_that_looks_like_a_number_is_a_hash(plain: str, pretrained: Record) -> None:
    number = "1234e567"
    folder = pretrained.folder.parent
    moved = folder.rename(folder.with_name(f"arm-{number}"))
    path = moved / "seed=0" / "record.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"arm_hash": number}))
    runs = plan("norm=bn", "reg=dropout", SMALL, f"init_from={number},{plain}").runs
    assert [run.config.flat()["init_from"] for run in runs] == [number, plain]


@pytest.mark.parametrize("status", ["failed", "diverged", "interrupted", "missing"])
def test_only_a_finished_run_is_a_source(plain: str, status: str) -> None:
    (path,) = Path("outputs").rglob("record.json")
    path.write_text(json.dumps(json.loads(path.read_text()) | {"status": status}))
    with pytest.raises(ConfigError, match=f"the run outputs.* is {status}: only a finished run"):
        plan(SMALL, f"init_from={plain}")


def test_lost_and_broken_weights_are_one_sentence(plain: str) -> None:
    (path,) = Path("outputs").rglob("best.ckpt")
    path.write_bytes(b"broken")
    with pytest.raises(ConfigError, match=r"best.ckpt cannot be read as weights. Train that run again"):
        plan(SMALL, f"init_from={plain}")
    path.unlink()
    with pytest.raises(ConfigError, match=r"has lost its weights: there is no best.ckpt"):
        plan(SMALL, f"init_from={plain}")


def test_what_is_no_source_is_one_sentence(plain: str) -> None:
    Path("empty").mkdir()
    for text, message in (
        ("nowhere", "there is no folder nowhere"),
        ("empty", "is no run and no arm: it holds no record.json.$"),
        ("outputs/digits-mlp", rf"is no run and no arm.*Arms there: {plain} \("),
        ("00000000", "no arm under outputs has this hash"),
        (f"{plain}/seed=7", "there is no folder"),
    ):
        with pytest.raises(ConfigError, match=f"init_from={text}: .*{message}"):
            locate(text, "outputs")
    shutil.copytree("outputs/digits-mlp", "outputs/twin")
    next(Path("outputs/twin").rglob("record.json")).write_text("{")
    with pytest.raises(ConfigError, match="cannot be read as a run's record"):
        locate(str(next(Path("outputs/twin").iterdir())), "outputs")


def test_of_two_folders_with_one_arm_the_one_with_more_finished_runs_is_taken(plain: str) -> None:
    shutil.copytree("outputs/digits-mlp", "outputs/earlier")
    for record in Path("outputs/earlier").rglob("record.json"):
        record.write_text(record.read_text().replace('"finished"', '"running"'))
    assert locate(plain, "outputs").place.parent == Path("outputs/digits-mlp")


def test_a_sweep_of_another_name_can_hold_the_source_as_its_scratch_arm(short_sweep: Runner) -> None:
    source = ablate.run(ablate.compose(short(SMALL))).facts.arm_hash
    sweep = short_sweep([SMALL, "name=other", f"init_from={source}", "init_head=scratch,keep"])
    assert [str(record.status) for record in sweep.records] == ["finished"] * 2
    assert source in {record.facts.arm_hash for record in sweep.records}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("init_head=new",), "init_head=new changes nothing without init_from.*init_head=scratch,keep,new,frozen"),
        (("init_from=null,HASH", "init_head=frozen"), "init_head=frozen changes nothing without init_from"),
        (("init_from=HASH", "init_head=scratch"), "init_head=scratch alone loads nothing"),
        (("init_from=HASH", "init=he,xavier"), "leaves nothing in this model=mlp to init: init=he and init=xavier"),
        (("data=wine", SMALL, "init_from=HASH", "init_head=keep,new"), "leaves nothing in this model=mlp to init_head"),
        (("init_from=HASH,'HASH'",), "the same setting, written twice|there twice"),
        (("init_from=HASH,HASH/seed=0", "init_head=scratch,keep"), "init_head=scratch, which starts from neither"),
    ],
)
def test_false_comparisons_are_refused(plain: str, arguments: tuple[str, ...], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        plan(*(text.replace("HASH", plain) for text in arguments))


def test_an_initialiser_takes_part_where_the_head_is_new(plain: str) -> None:
    assert len(plan(SMALL, f"init_from={plain}", "init_head=new", "init=he,xavier").runs) == 2


def test_pretraining_on_many_images_helps_with_few(short_sweep: Runner) -> None:
    budget = ("trainer.max_epochs=5", "model.width=64")
    digest = short_sweep(["data.train_size=1000", *budget]).records[0].facts.arm_hash
    sweep = short_sweep(["data.train_size=60", f"init_from={digest}", "init_head=scratch,keep,new,frozen", *budget])
    best = sweep.frame().set_index("init_head")["best"]
    assert best["keep"] > best["scratch"] + 0.2
    assert best["new"] > best["scratch"]
