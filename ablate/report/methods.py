"""What was computed, in words, with the sources: the section of a page that a reader checks the numbers by."""

from __future__ import annotations

METHODS = (
    "Pairing. Seeds vary the split, the initial weights and the order of the data together, the same in every arm. A "
    "contrast is taken within each seed, everything else equal, and averaged over the other factors, so that a seed "
    "gives one difference.",
    "Steps to target. The first measured optimizer step at which the validation metric had reached the target. A run "
    "that did not reach it is censored: it counts with the common budget (restricted mean; Royston & Parmar 2013, BMC "
    "Medical Research Methodology 13:152). Where runs of one side alone are cut off, the ratio is a bound of what it "
    "would be without; where both are, it may err either way. An interaction that times beyond the budget could undo "
    "is not called. Times are compared as log2, said as ratios.",
    "The target. A number that was given; or the median best of calibration runs of the baseline arm, less 0.01: their "
    "seeds are none of those compared, so that no compared run has a part in it; or what the best of the compared arms "
    "or every one of them reached, which looks at the compared runs and is said where it is so.",
    "Intervals and tests. Student's t of the seeds' differences, and a sign-flip permutation test of the same; with "
    "Holm's adjustment (1979, Scandinavian Journal of Statistics 6) over all contrasts of a metric, and over all its "
    "interactions. An effect is called if both tests agree. Below five seeds there is no verdict.",
    "Within the margin. Two one-sided t tests against it (Schuirmann 1987, Journal of Pharmacokinetics and "
    "Biopharmaceutics 15): of one contrast alone, that its 90 % interval lies within; and sign flips of the "
    "differences from either margin. Both have to agree, with as many seeds as an effect would take. What is rarer "
    "than the seeds are many they do not show: of a collapse in one run of thirty, ten seeds mostly see none. A "
    "difference that is neither called nor shown to be within the margin is inconclusive; the seeds that would decide "
    "it are those of a power of 0.8.",
    "Interactions. The effect of one factor at a level of another, less the effect at its baseline, within each seed.",
    "Shares of the variance. Eta squared of Type II sums of squares, with factors, pairs of factors and seeds as "
    "blocks; somewhat large for what has no effect if runs are few (Olejnik & Algina 2003, Psychological Methods 8).",
    "Diverged runs. Exact binomial test of the seeds in which more runs of one level diverged than of the other "
    "(McNemar's test with the seed as the pair).",
    "Curves. Runs are averaged over the other factors within each seed; the band is Student's t over the seeds and "
    "covers the mean at one step, not the whole curve. Arms that were measured at different steps are joined by "
    "straight lines.",
    "Colours. Okabe & Ito's palette, told apart with any colour vision; line styles and markers repeat what it says.",
)
