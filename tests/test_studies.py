"""Studies as they are written down, and what they become on the command line."""

from __future__ import annotations

import copy
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ablate import composition, override_checks, overrides
from ablate.cli import settings
from ablate.cli.main import main
from ablate.composition import config_loader
from ablate.errors import ConfigError
from ablate.registry import StudyFile, registry
from ablate.report.gallery import Entry, out_of_step, to_gallery
from ablate.studies.arguments import arm_of, expanded, overridden, same, source
from ablate.studies.catalogue import found, place, studies, study
from ablate.studies.definition import Study, parse
from ablate.sweeps.plan import make_plan

GALLERY = Path(__file__).parent.parent / "docs" / "gallery.md"
TREE: dict[str, Any] = {
    "claim": "Normalisation helps.",
    "claim_zh": "归一化有帮助。",
    "source": {"file": "000", "topic": "4"},
    "kind": "said",
    "settings": {"opt": "sgd", "trainer.max_steps": 20},
    "vary": {"norm": ["none", "bn"], "opt.lr": [0.1, 0.01]},
    "condition": "opt.lr",
    "compare": {"norm": ["bn", "none"]},
    "measure": "test/acc",
    "expect": "more",
    "margin": 1,
}
ALL = studies()


def tree(**changes: Any) -> dict[str, Any]:
    """Return a study as YAML gives it, with changes; None takes a field out."""
    made = {**copy.deepcopy(TREE), **changes}
    return {key: value for key, value in made.items() if value is not None}


def test_a_study_says_what_it_tests_and_how() -> None:
    one = parse("norm_helps", tree())
    assert one.compare == ("norm", "bn", "none")
    assert (one.seeds, one.exact, one.command) == (10, False, "python -m ablate study=norm_helps")


@pytest.mark.parametrize("field", ["verdict", "result", "outcome", "interval", "estimate", "holds", "conclusion"])
def test_a_study_that_says_how_it_ends_is_refused(field: str) -> None:
    with pytest.raises(ConfigError, match=f"'{field}' is how it ends, which a study does not say"):
        parse("mine", tree(**{field: "supported"}))


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"meassure": "best"}, "there is no field 'meassure'. Did you mean 'measure'?"),
        ({"claim": None}, "claim is missing"),
        ({"claim_zh": ""}, "claim_zh is missing"),
        ({"source": {"file": "000"}}, "source has a file and a topic"),
        ({"kind": "heard"}, "kind is one of said, heading, not heard"),
        ({"expect": "better"}, "expect is one of more, less, same, not better"),
        ({"margin": 0}, "a positive number, not 0"),
        ({"measure": None}, "measure is missing; an exact property has a check instead"),
        ({"measure": "besst"}, "measure=besst: there is no such measure. Did you mean 'best'?"),
        ({"measure": "steps_to_target"}, "margin of steps_to_target is a ratio, such as 1.1, and above 1, not 1"),
        ({"measure": "diverged", "expect": "same"}, "that two diverged as often has no test"),
        ({"seeds": 0}, "a whole number from 1 on, not 0"),
        ({"compare": {"norm": ["bn"]}}, "compare names one factor and two of its levels"),
        ({"compare": {"norm": ["ln", "none"]}}, "norm=ln is no level that is trained"),
        ({"compare": {"norm": ["bn", "bn"]}}, "the two levels are the same"),
        ({"condition": "act"}, "condition=act is none of the factors"),
        ({"condition": None}, "opt.lr is varied, but neither compared nor the condition"),
        ({"check": "softmax"}, "compare belongs to what is trained, and this is a check"),
        ({"given": {"n": 1}}, "'given' are the arguments of a check: name one"),
    ],
)
def test_what_is_no_study_is_refused_in_a_sentence(changes: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse("mine", tree(**changes))
    assert told in str(caught.value)
    assert str(caught.value).startswith("study mine: ")


def test_any_change_of_a_study_changes_its_digest() -> None:
    digests = {
        parse("mine", tree(**{key: value})).digest for key, value in [("margin", 1), ("margin", 2), ("seeds", 9)]
    }
    assert len(digests) == 3


def test_there_is_a_study_for_every_file_and_each_is_about_a_note() -> None:
    assert {one.name for one in ALL} == set(found())
    assert {one.source.file for one in ALL if found()[one.name].distribution == "lightning-ablate"} == {
        "000",
        "001",
        "003",
        "004",
    }
    for one in ALL:
        assert re.search("[一-鿿]", one.claim_zh), one.name
        assert not re.search("[一-鿿]", one.claim), one.name


@pytest.mark.parametrize(
    ("topic", "number"),
    [
        ("21. Adam优化器", [21]),
        ("1.4 神经网络优化技巧: tip2", [1, 4]),
        ("九、1*1的卷积有什么作用", [9]),  # and not 1, by the size of the kernel
        ("十、卷积神经网络中池化的作用", [10]),
        ("什么是过拟合？: L2正则化", [0]),
    ],
)
def test_studies_stand_in_the_order_of_their_source(topic: str, number: list[int]) -> None:
    one = parse("mine", tree(source={"file": "004", "topic": topic}))
    assert place(one) == ("004", number, topic, "mine")


def test_all_studies_stand_by_the_places_of_their_sources() -> None:
    places = [place(one) for one in ALL]
    assert places == sorted(places)


def test_a_study_of_a_plugin_that_takes_the_name_of_ours_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    theirs = SimpleNamespace(studies=lambda: {"zero_init_fails": StudyFile(Path("zero_init_fails.yaml"), "theirs")})
    monkeypatch.setattr("ablate.studies.catalogue.registry", lambda: theirs)
    with pytest.raises(ConfigError, match="theirs brings the study zero_init_fails, and there is one of ours"):
        found()


@pytest.mark.parametrize("name", [one.name for one in ALL if one.exact])
def test_every_check_that_a_study_names_is_registered(name: str) -> None:
    assert callable(registry().check(study(name).check))


def test_the_command_line_takes_the_settings_of_every_study() -> None:
    with config_loader() as loader:
        for one in ALL:
            if one.exact:
                continue
            parsed = overrides.parse(expanded([f"study={one.name}"]), loader)
            presets = composition.presets(loader)
            override_checks.check(parsed, sweep=True, defaults=composition.defaults(), presets=presets)
            overrides.sweep_settings(parsed)


def test_a_study_is_a_sweep_without_being_called_one() -> None:
    command = settings.read(["study=bn_speeds_convergence"])
    assert command.sweep
    assert "-m" in command.flags
    assert {"norm=none,bn", "opt.lr=0.01,0.1,1", "seed=range(0,10)", "name=studies"} <= set(command.settings)


def test_only_what_measures_steps_to_a_target_is_calibrated_for_one() -> None:
    assert "calibration=0" not in expanded(["study=bn_speeds_convergence"])
    assert "calibration=0" in expanded(["study=zero_init_fails"])
    assert "calibration=3" in expanded(["study=zero_init_fails", "calibration=3"])
    assert "calibration=0" not in expanded(["study=zero_init_fails", "calibration=3"])


def test_what_a_person_says_takes_the_place_of_the_study() -> None:
    own = expanded(["study=bn_speeds_convergence", "seed=range(10,20)", "trainer.max_steps=5"])
    assert own.count("seed=range(10,20)") == 1
    assert not [text for text in own if text.startswith("trainer.max_epochs")]  # the other way to set the budget
    assert expanded(own) == own


def test_a_study_is_another_once_its_settings_are_changed() -> None:
    one = study("bn_speeds_convergence")
    free = ["study=bn_speeds_convergence", "seed=range(10,20)", "workers=1", "hydra/launcher=ray"]
    assert overridden(one, [*free, "model.depth=6"]) == []
    assert overridden(one, [*free, "model.depth=7", "act=tanh"]) == ["model.depth=7", "act=tanh"]


def test_settings_that_vary_together_make_only_the_arms_of_the_study() -> None:
    with config_loader() as loader:
        plan = make_plan(["study=two_small_kernels_replace_a_large"], loader, sweep=True)
    assert [(arm.levels["model.convs"], arm.levels["model.kernel_size"]) for arm in plan.arms] == [
        ("2", "3"),
        ("1", "5"),
    ]


def test_an_arm_is_known_by_the_levels_that_it_has() -> None:
    one = study("cnn_beats_mlp")
    assert arm_of(one, {"model": "cnn", "data.permute_pixels": "true"}) == "cnn"
    assert arm_of(one, {"model": "mlp", "pool": None}) == "mlp"
    assert arm_of(one, {"model": "lstm"}) is None


def test_levels_are_the_same_as_text_or_as_numbers() -> None:
    assert same("1.0", "1")
    assert same("1e-3", "0.001")
    assert same("relu", "relu")
    assert not same("relu", "1")
    assert not same("0.1", "0.10001")


def test_runs_that_others_start_from_have_the_same_seeds() -> None:
    before = source(["study=transfer_with_head", "seed=3,4", "workers=1"])
    assert {"data.size=12", "seed=3,4", "workers=1", "name=studies"} <= set(before)
    assert not [text for text in before if text.startswith(("init_head", "study", "data.train_size"))]
    assert source(["study=bn_speeds_convergence"]) == []


def test_a_study_that_is_not_there_is_told_with_the_closest(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["study=bn_speeds_convergance"]) == 2
    assert "Did you mean 'bn_speeds_convergence'?" in capsys.readouterr().err


def test_the_gallery_is_in_step_with_the_studies() -> None:
    if not GALLERY.is_file():
        pytest.skip("there is no gallery yet: python -m ablate study --all writes it")
    ours = [one for one in ALL if found()[one.name].distribution == "lightning-ablate"]
    assert out_of_step(GALLERY.read_text(encoding="utf-8"), ours) == []


def test_a_gallery_that_is_out_of_step_names_the_command() -> None:
    one = parse("mine", tree())
    page = to_gallery([Entry(one, None)], "gallery")
    (unrun,) = out_of_step(page, [one])
    assert unrun == "The study mine has changed since. Write it anew: python -m ablate study --all"
    (other,) = out_of_step(page.replace("0" * 8, one.digest), [one, Study(**{**vars(one), "name": "new"})])
    assert other.startswith("The gallery has no section on new.")
    (gone,) = out_of_step(page, [])
    assert gone.startswith("There is no study mine any more.")
