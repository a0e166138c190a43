"""How studies end: from contrasts to verdicts, from runs to the page."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ablate import analysis
from ablate.analysis import Divergence, Metric, Scale
from ablate.analysis import Verdict as Called
from ablate.cli.main import main
from ablate.cli.testing import conclude
from ablate.errors import ConfigError
from ablate.exact import Checked
from ablate.facts import Status
from ablate.registry import Registry, registry
from ablate.report.book import to_book
from ablate.report.gallery import Entry, by_verdict, out_of_step, to_gallery
from ablate.studies import catalogue
from ablate.studies.definition import Expect, Study, parse
from ablate.sweep_facts import Tuned
from ablate.sweeps.execute import sweep
from ablate.verdicts.exact import check
from ablate.verdicts.figure import figure
from ablate.verdicts.judge import ARMS, at_every_level, called, combined, finding, frequency, judge, plain
from ablate.verdicts.outcome import Agreement, Finding, Outcome, Verdict, figure_of
from ablate.verdicts.wording import expected, headline_of, reading_of, tuning
from tests.test_studies import tree

YAML = """
claim: Weights that start at zero keep a network from learning.
claim_zh: 权重从零开始，网络学不会。
source: {file: mine, topic: "<first> & last"}
kind: said
settings: {model.width: 8, data.train_size: 256, opt.lr: 0.03, trainer.max_steps: 30, trainer.validations: 3,
  calibration: 0}
vary: {init: [he, zeros], model.depth: [1, 2]}
condition: model.depth
compare: {init: [zeros, he]}
measure: test/acc
expect: less
margin: 2
seeds: 7
"""


def contrast(*differences: float) -> analysis.Contrast:
    """Return the contrast of two levels with differences in points, a seed each."""
    values = np.array(differences) / 100
    frame = pd.DataFrame(
        {
            "level": ["a"] * len(values) + ["b"] * len(values),
            "seed": [*range(len(values))] * 2,
            "val/acc": [*np.zeros(len(values)), *values],
        }
    )
    (found,) = analysis.effects(frame, ["level"], Metric("val/acc", True, Scale.points, 1.0)).contrasts
    return found


def test_what_has_no_level_of_the_condition_is_compared_at_each() -> None:
    frame = pd.DataFrame(
        {"reg": ["none", "none", "l1", "l1"], "reg.l1.weight": [np.nan, np.nan, 0.1, 0.2], "val/acc": [1, 2, 3, 4]}
    )
    found = at_every_level(frame, "reg.l1.weight")
    assert found.to_dict("list") == {
        "reg": ["none"] * 4 + ["l1"] * 2,
        "reg.l1.weight": [0.1, 0.2, 0.1, 0.2, 0.1, 0.2],
        "val/acc": [1, 1, 2, 2, 3, 4],
    }
    assert at_every_level(frame, "reg") is frame
    assert at_every_level(frame, "") is frame


LARGE = (5.0, 6.0, 5.5, 6.5, 5.2, 5.8, 6.1, 5.6)
TINY = (0.10, 0.12, 0.09, 0.11, 0.13, 0.10, 0.12, 0.08)
AROUND = (0.4, 1.2, 0.6, 1.5, 0.8, 1.1, 0.5, 1.4)
NOISY = (4.0, -5.0, 3.0, -4.0, 6.0, -6.0, 1.0, 0.0)


@pytest.mark.parametrize(
    ("differences", "expect", "verdict"),
    [
        (LARGE, "more", Verdict.supported),
        (LARGE, "less", Verdict.refuted),
        (LARGE, "same", Verdict.refuted),
        (tuple(-d for d in LARGE), "less", Verdict.supported),
        (tuple(-d for d in LARGE), "more", Verdict.refuted),
        (TINY, "more", Verdict.none),  # it is there beyond doubt, and does not matter
        (TINY, "same", Verdict.supported),
        (AROUND, "more", Verdict.supported),
        (AROUND, "less", Verdict.refuted),
        (AROUND, "same", Verdict.inconclusive),  # there is a difference, and it may well be smaller than the margin
        (tuple(-d for d in AROUND), "same", Verdict.inconclusive),
        (tuple(-d for d in LARGE), "same", Verdict.refuted),
        ((0.0,) * 8, "same", Verdict.supported),
        ((0.0,) * 8, "less", Verdict.none),
        ((5.0,) * 6, "more", Verdict.supported),  # the same in every run, as multiply-adds are
        ((5.0,) * 5, "more", Verdict.inconclusive),
        (NOISY, "more", Verdict.inconclusive),
        (NOISY, "same", Verdict.inconclusive),
        (LARGE[:4], "more", Verdict.inconclusive),  # too few seeds for a verdict
    ],
)
def test_a_verdict_is_the_contrast_against_what_the_claim_expects(
    differences: tuple[float, ...], expect: str, verdict: Verdict
) -> None:
    assert called(Expect(expect), contrast(*differences).test) is verdict


def test_the_tiny_difference_is_one_that_the_tests_call() -> None:
    assert contrast(*TINY).test.verdict is Called.better


@pytest.mark.parametrize(
    ("found", "verdict"),
    [
        ("supported supported", "supported"),
        ("supported none", "conditional"),
        ("supported refuted inconclusive", "conditional"),
        ("supported inconclusive", "conditional"),
        ("refuted none", "refuted"),
        ("refuted inconclusive", "inconclusive"),
        ("none inconclusive", "inconclusive"),
        ("none none", "none"),
    ],
)
def test_a_claim_holds_in_all_conditions_or_only_in_some(found: str, verdict: str) -> None:
    assert combined([Verdict[name] for name in found.split()]) is Verdict[verdict]


def test_where_it_holds_is_named_and_only_is_said_where_it_is_shown() -> None:
    here, there = Finding("opt.lr=0.1", Verdict.supported, ""), Finding("opt.lr=1", Verdict.none, "")
    assert headline_of(Expect.more, Verdict.conditional, [here, there]) == "holds only when opt.lr=0.1"
    still_open = replace(there, verdict=Verdict.inconclusive)
    assert headline_of(Expect.more, Verdict.conditional, [here, still_open]) == "holds when opt.lr=0.1, open otherwise"
    reversed_ = Finding("opt.lr=2", Verdict.refuted, "")
    assert headline_of(Expect.more, Verdict.conditional, [here, reversed_, still_open]) == (
        "holds when opt.lr=0.1, not when opt.lr=2, open otherwise"
    )


def test_what_was_to_be_the_same_is_not_called_reversed() -> None:
    assert headline_of(Expect.same, Verdict.refuted, []) == "refuted (the two differ)"
    assert headline_of(Expect.less, Verdict.refuted, []) == "refuted (reversed)"
    assert headline_of(Expect.same, Verdict.supported, []) == "supported"


@pytest.mark.parametrize(
    ("differences", "expect", "told"),
    [
        (LARGE, "more", "+5.7 points [+5.3, +6.1] val/acc (8 seeds, p = 0.0078); the claim is supported."),
        (LARGE, "less", "+5.7 points [+5.3, +6.1] val/acc (8 seeds, p = 0.0078); it is the other way round."),
        (LARGE, "same", "(8 seeds, p = 0.0078); the two differ."),
        (TINY, "less", "(8 seeds, equivalence p = 0.0039); there is no effect that matters."),
        (TINY, "same", "(8 seeds, equivalence p = 0.0039); the two are the same, as far as it matters."),
        (AROUND, "same", "there is a difference, and that it is beyond 1 point is not shown (8 seeds, p = 0.0078); it"),
    ],
)
def test_the_reading_has_the_numbers_that_the_verdict_is_by(
    differences: tuple[float, ...], expect: str, told: str
) -> None:
    one = parse("mine", tree(expect=expect, condition=None, vary={"norm": ["none", "bn"]}))
    assert told in reading_of(one, [finding(Expect(expect), contrast(*differences))], "1 point")


def test_the_reading_has_the_first_remarks_on_every_level_and_what_no_effect_means() -> None:
    one = parse("mine", tree())
    here = Finding("opt.lr=0.1", Verdict.supported, "+2", notes=["A.", "B.", "C."])
    there = Finding("opt.lr=1", Verdict.inconclusive, "+1", notes=["D."])
    assert reading_of(one, [here, there], "1 point") == (
        "Expected of norm=bn against norm=none: more test/acc. With opt.lr=0.1: +2; the claim is supported. A. B. "
        "With opt.lr=1: +1; it stays open. D."
    )
    means = "No effect means: less than 1 point either way, by an equivalence test."
    assert reading_of(one, [replace(there, verdict=Verdict.none)], "1 point").endswith(means)
    assert reading_of(replace(one, expect=Expect.same), [there], "1 point").endswith(means)


def test_the_arms_of_a_study_are_called_by_their_names_alone() -> None:
    one = plain(Finding(f"{ARMS}=deep", Verdict.supported, f"+2 with {ARMS}=flat", notes=[f"1 with {ARMS}=deep."]))
    assert (one.where, one.difference, one.notes) == ("deep", "+2 with flat", ["1 with deep."])


@pytest.mark.parametrize(
    ("measure", "expect", "told"),
    [
        ("steps_to_target", "less", "fewer steps to target"),
        ("macs", "same", "as many multiply-adds"),
        ("final", "more", "more of the final validation metric"),
        ("diverged", "less", "fewer diverged runs"),
        ("test/r2", "same", "as much test/r2"),
    ],
)
def test_what_is_expected_is_said_in_words(measure: str, expect: str, told: str) -> None:
    assert expected(replace(parse("mine", tree()), measure=measure, expect=Expect(expect))) == told


def test_what_was_tuned_is_said_and_what_lies_at_the_edge_of_its_grid() -> None:
    grid = {"opt.lr": ["0.01", "0.1"]}
    adam = Tuned({"opt": "adam"}, {"opt.lr": "0.01"}, grid, ["opt.lr"], {}, {}, [])
    none = Tuned({"opt": "sgd"}, {}, grid, [], {}, {}, [])
    assert tuning([adam, none]) == [
        "Tuned on other seeds: opt.lr=0.01 with opt=adam; the defaults with opt=sgd.",
        "At the edge of its grid with opt=adam: a wider one may have a better value.",
    ]
    assert tuning([]) == []


@pytest.mark.parametrize(
    ("discordant", "p", "expect", "verdict"),
    [
        ((6, 0), 0.03, "more", Verdict.supported),
        ((6, 0), 0.03, "less", Verdict.refuted),
        ((0, 6), 0.03, "less", Verdict.supported),
        ((0, 6), 0.03, "more", Verdict.refuted),
        ((0, 5), 0.0625, "less", Verdict.inconclusive),
    ],
)
def test_how_often_runs_diverge_is_judged_by_the_seeds_that_differ(
    discordant: tuple[int, int], p: float, expect: str, verdict: Verdict
) -> None:
    with_it, without = discordant
    one = Divergence("norm", "bn", "none", None, with_it, without, 10, 10, discordant, p, p, 1, 0.95)
    found = frequency(replace(parse("mine", tree()), expect=Expect(expect)), one)
    assert (found.verdict, found.seeds, found.p) == (verdict, 10, p)
    assert found.difference == f"{with_it} of 10 runs diverged against {without} of 10"
    assert found.estimate == 10 * (with_it - without)


@pytest.fixture
def shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Study:
    """Return a study that a plugin brings, with the runs and verdicts of the test in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "claims").mkdir()
    (tmp_path / "claims" / "zeros_fail.yaml").write_text(YAML, encoding="utf-8")
    plugin = tmp_path / "my_claims.py"
    plugin.write_text(
        "from pathlib import Path\n"
        "from ablate import hookimpl\n"
        "from ablate.exact import Checked\n"
        "@hookimpl\n"
        "def register_studies(register):\n"
        "    register(Path(__file__).parent / 'claims')\n"
        "@hookimpl\n"
        "def register_checks(register):\n"
        "    register('twice_two', lambda by=2: Checked(abs(2 * by - 4), 0, 'Two was taken twice.'))\n",
        encoding="utf-8",
    )
    monkeypatch.setenv("ABLATE_PLUGINS", str(plugin))
    fresh = registry.__wrapped__()
    for module in ("registry", "composition", "override_checks", "overrides", "config", "studies.catalogue"):
        monkeypatch.setattr(f"ablate.{module}.registry", lambda: fresh)
    monkeypatch.setattr("ablate.verdicts.exact.registry", lambda: fresh)
    assert isinstance(fresh, Registry)
    assert not fresh.broken
    return catalogue.study("zeros_fail")


def test_a_study_of_a_plugin_ends_in_a_verdict_a_figure_and_its_pages(
    shipped: Study, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["study", "zeros_fail", "workers=0", "--gallery", "g.md", "quiet=true", "--book", "b.html"]) == 0
    assert "Verdict:  supported" in capsys.readouterr().out
    outcome = Outcome.load(Path("outputs"), "zeros_fail")
    assert outcome is not None
    assert (outcome.verdict, outcome.seeds, outcome.runs) == (Verdict.supported, [*range(7)], 28)
    assert [one.where for one in outcome.findings] == ["model.depth=1", "model.depth=2"]
    for one in outcome.findings:
        assert one.low is not None
        assert one.high is not None
        assert one.low < (one.estimate or 0) < one.high < -2
    assert outcome.digest == shipped.digest
    gallery, book = Path("g.md").read_text("utf-8"), Path("b.html").read_text("utf-8")
    assert out_of_step(gallery, [shipped]) == []
    assert "**Verdict: supported.**" in gallery
    assert Path("g/zeros_fail.svg").read_text("utf-8").startswith("<svg")
    assert shipped.claim_zh in book
    assert "&lt;first&gt; &amp; last" in book
    assert "://" not in re.sub(r'="http://www.w3.org/[^"]*"', "", book)
    assert "<script" not in book
    assert main(["studies", "zeros_fail"]) == 0
    assert "Verdict: supported" in capsys.readouterr().out


def test_a_study_is_repeated_with_the_seeds_that_follow(shipped: Study, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["study", "zeros_fail", "stack=auto", "workers=0", "quiet=true"]
    assert main([*command, "--again"]) == 0
    assert Outcome.load(Path("outputs"), "zeros_fail") is None
    assert main([*command, "--gallery", "page.md"]) == 0
    first, again = (Outcome.load(Path("outputs"), "zeros_fail", again=again) for again in (False, True))
    assert first is not None
    assert again is not None
    assert (first.seeds, again.seeds) == ([*range(7)], [*range(7, 14)])
    page = Path("page.md").read_text(encoding="utf-8")
    assert "Again, with 7 seeds (7 to 13): supported; the same." in page
    assert "1 was trained again with other seeds: 1 the same." in page
    assert main([*command, "--again"]) == 0
    assert "Again, with 7 seeds (7 to 13): supported; the same." in capsys.readouterr().out
    assert main([*command, "--again", "--seeds", "3"]) == 2
    assert "--again takes the seeds that follow those of each study" in capsys.readouterr().err


def test_a_factor_that_a_study_does_not_compare_is_refused(shipped: Study, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["study=zeros_fail", "act=tanh,relu", "workers=0"]) == 2
    told = capsys.readouterr().err
    assert "study=zeros_fail: act is varied, which the study neither compares nor has as its condition." in told
    assert not Path("outputs").exists()


S, R, N, U = Verdict.supported, Verdict.refuted, Verdict.none, Verdict.inconclusive


@pytest.mark.parametrize(
    ("first", "second", "agreement"),
    [
        ([S], [S], Agreement.same),
        ([S], [U], Agreement.open),
        ([U], [R], Agreement.open),
        ([S], [N], Agreement.other),
        ([S], [R], Agreement.other),
        ([S, N], [S, U], Agreement.open),
        ([S, N], [U, R], Agreement.other),
        ([S, N], [S], Agreement.open),
    ],
)
def test_agreement_is_told_within_each_level(first: list[Verdict], second: list[Verdict], agreement: Agreement) -> None:
    a, b = (
        Outcome("x", "0", combined(kinds), "", "", [Finding(str(at), kind, "") for at, kind in enumerate(kinds)])
        for kinds in (first, second)
    )
    assert a.agreement(b) is agreement


def test_a_study_that_was_changed_on_the_command_line_is_not_kept_as_its_verdict(
    shipped: Study, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["study=zeros_fail", "seed=range(0,2)", "act=tanh", "workers=0", "quiet=true"]) == 0
    told = capsys.readouterr().out
    assert "Verdict:  inconclusive" in told
    assert "too few for a verdict" in told
    assert "Not kept as the study's verdict: it was changed by act=tanh." in told
    assert Outcome.load(Path("outputs"), "zeros_fail") is None


def test_a_verdict_on_runs_that_were_interrupted_is_told_and_not_kept(
    shipped: Study, capsys: pytest.CaptureFixture[str]
) -> None:
    results = sweep(["study=zeros_fail", "seed=0,1", "workers=0", "quiet=true"])
    results.records[0].facts.status = Status.interrupted
    conclude(shipped, results, ["seed=0,1"], Path("outputs"))
    told = capsys.readouterr().out
    assert "1 of 8 runs are not done; the same command goes on." in told
    assert Outcome.load(Path("outputs"), "zeros_fail") is None
    results.records[0].facts.status = Status.failed  # which may be for good, and is said
    conclude(shipped, results, ["seed=0,1"], Path("outputs"))
    kept = Outcome.load(Path("outputs"), "zeros_fail")
    assert kept is not None
    assert "Runs missing or failed: 1 with init=he." in kept.reading


def test_a_measure_that_no_run_has_is_refused(shipped: Study) -> None:
    results = sweep(["study=zeros_fail", "seed=0", "workers=0", "quiet=true"])
    with pytest.raises(ConfigError, match="study=zeros_fail: no run has test/r2, which it measures"):
        judge(replace(shipped, measure="test/r2"), results)


def test_a_contrast_that_the_runs_do_not_hold_is_refused(shipped: Study) -> None:
    results = sweep(["study=zeros_fail", "init=he", "seed=0", "workers=0", "quiet=true"])
    with pytest.raises(ConfigError, match="init is compared, and has one level only"):
        judge(shipped, results)
    assert figure(replace(shipped, condition=None, compare=("model.depth", 1, 2)), results) is not None


def test_a_target_that_nobody_reached_leaves_the_claim_open(shipped: Study) -> None:
    one = replace(shipped, measure="steps_to_target", margin=1.1)
    results = sweep(["study=zeros_fail", "target=1.0", "calibration=null", "seed=0,1", "workers=0", "quiet=true"])
    outcome = judge(one, results)
    assert outcome.verdict is Verdict.inconclusive
    assert [(found.where, found.difference) for found in outcome.findings] == [
        ("model.depth=1", "no run reached the target within the budget"),
        ("model.depth=2", "no run reached the target within the budget"),
    ]


def test_a_check_decides_an_exact_property(shipped: Study) -> None:
    given = {"claim": "Twice two is four.", "claim_zh": "二二得四。", "kind": "said", "check": "twice_two"}
    source = {"file": "mine", "topic": "1"}
    outcome = check(parse("sums", {**given, "source": source}))
    assert (outcome.verdict, outcome.reading) == (
        Verdict.holds,
        "Two was taken twice. Measured 0, allowed at most 0.",
    )
    assert check(parse("sums", {**given, "source": source, "given": {"by": 3}})).verdict is Verdict.fails
    with pytest.raises(ConfigError, match="the check twice_two says"):
        check(parse("sums", {**given, "source": source, "given": {"of": 3}}))
    with pytest.raises(ConfigError, match=r"There is no check 'twice_too'\. Did you mean 'twice_two'\?"):
        check(parse("sums", {**given, "source": source, "check": "twice_too"}))


def test_what_is_no_number_does_not_hold() -> None:
    assert not Checked(float("nan"), 1.0, "").holds
    assert Checked(1.0, 1.0, "").holds


def test_a_study_of_an_exact_property_runs_its_check(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["study=softmax_gives_probabilities"]) == 0
    assert "holds exactly" in capsys.readouterr().out
    kept = Outcome.load(Path("outputs"), "softmax_gives_probabilities")
    assert kept is not None
    assert figure_of(Path("outputs"), kept.study) == ""


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["study"], "this takes names of studies, or --all"),
        (["study", "--al"], "study --al: this takes names of studies, or --all"),
        (["study", "softmax_gives_probabilities", "--all"], "this takes names of studies, or --all"),
        (["study", "softmax_gives_probabilities", "dry_run=true"], "python -m ablate study=NAME dry_run=true"),
        (["studies", "--all"], "studies --all: this takes names of studies"),
        (["studies", "softmax_gives_probability"], "Did you mean 'softmax_gives_probabilities'?"),
    ],
)
def test_a_wrong_call_is_told_in_a_sentence(
    arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    assert told in capsys.readouterr().err


def test_an_outcome_of_an_earlier_edition_is_no_verdict() -> None:
    one = parse("mine", tree())
    outcome = Outcome("mine", "0badf00d", Verdict.supported, "supported", "It did.")
    assert Entry(one, outcome).headline == "not run yet"
    assert "It did." not in to_gallery([Entry(one, outcome)], "gallery")
    assert "It did." in to_book([Entry(one, replace(outcome, digest=one.digest))])


def test_the_pages_count_and_gather_the_claims_by_verdict() -> None:
    names = {"a": Verdict.refuted, "b": Verdict.supported, "c": Verdict.supported, "d": None}
    entries = []
    for name, verdict in names.items():
        one = parse(name, tree(claim=f"Claim {name}."))
        found = Outcome(name, one.digest, verdict, str(verdict), "So it is.", seconds=0.2) if verdict else None
        entries.append(Entry(one, found))
    assert [(verdict, [one.study.name for one in alike]) for verdict, alike in by_verdict(entries)] == [
        ("supported", ["b", "c"]),
        ("refuted (reversed)", ["a"]),
        ("not run yet", ["d"]),
    ]
    book, gallery = to_book(entries), to_gallery(entries, "gallery")
    told = "4 claims: 2 supported; 1 refuted (reversed); 1 not run yet."
    assert told in book
    assert told in gallery
    assert '<summary><span class="verdict supported">2 supported</span></summary>' in book
    assert '<li><a href="#c">Claim c.</a></li>' in book
    assert "Under 1 s." in gallery
    assert "Source: 000, 4 (said there)." in gallery


def test_what_only_reads_a_heading_is_told_as_such() -> None:
    entries = [Entry(parse("mine", tree(kind="heading")), None)]
    assert "(a reading of its heading)" in to_gallery(entries, "gallery")
    assert "(a reading of its heading)" in to_book(entries)
