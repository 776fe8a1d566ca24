"""The wording of numbers and verdicts: significant digits, and whether a measured slope agrees with a law."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from ...convergence import Ratio, Slope, log_log_slope, over_predicted
from ..translation.words import _, clauses, language

VAGUE = 0.125
"""A standard error of a slope beyond which −1/2 cannot be distinguished from −1/4 or −3/4."""

FEWEST = 3
"""The smallest number of networks at each width from which the spread is known well enough to judge a slope."""

FAR = 0.2
"""A relative deviation beyond which terms of higher order than 1/√n are no longer small: its square is 4 %."""

NEAR = 0.1
"""The largest predicted deviation at which networks are compared with c/√n, whose error is about its square."""

UNSURE = 0.4
"""A departure of measured/predicted from 1 so large that a test which could miss it says little about agreement."""

RARE, NEVER = 0.0455, 0.0027
"""The probabilities that a normal variable is more than two standard deviations from its mean, and more than three."""

LARGE = {"zh": ((1e8, "{count} 亿"), (1e4, "{count} 万"))}
"""The units of large numbers in languages whose units are not millions and billions, by the codes of the languages."""


def kinds_of_lines() -> dict[str, str]:
    """The kinds of lines of a program, as `Program.lines` names them, for readers."""
    variables = {"initial G-var": _("initial G-var"), "G-var": _("G-var"), "X-var": _("X-var")}
    return variables | {"data": _("data"), "scalar": _("scalar"), "output": _("output")}


def signed(number: float, digits: int = 2) -> str:
    """A number with a proper minus sign instead of a hyphen, and none before a zero."""
    return f"{round(number, digits) + 0.0:,.{digits}f}".replace("-", "−")


def figures(number: float) -> str:
    """Two or three significant digits, with a power of ten (HTML) for large or small numbers, and 0.00 for zero."""
    size = abs(number)
    if size == 0 or 0.1 <= size < 1000:
        return signed(number, 2 if size < 9.995 else 1 if size < 99.95 else 0)
    if 1e-3 <= size < 1e5:
        return signed(number, 0) if size > 1 else f"{number:.2g}".replace("-", "−")
    power = int(np.floor(np.log10(size)))
    return f"{signed(number / 10.0**power)}·10<sup>{signed(power, 0)}</sup>"


def about(count: float) -> str:
    """A large count in two significant digits: 880, 88,000, 8.8 million; in Chinese 880, 8.8 万, 880 万."""
    rounded = float(f"{count:.1e}")
    if rounded >= 1e12:
        return figures(rounded)
    units = LARGE.get(language()) or ((1e9, _("{count} billion")), (1e6, _("{count} million")))
    unit, said = next((one for one in units if rounded >= one[0]), (1, "{count}"))
    digits = 0 if rounded >= 10 * unit or unit == 1 else 1
    return said.format(count=f"{rounded / unit:,.{digits}f}")


def decimals(spread: float) -> int:
    """The decimals to show of numbers with this spread: three digits of the spread, and at most two decimals."""
    if not 0 < spread < np.inf:
        return 2
    return 3 if spread < 0.005 else int(np.clip(2 - np.floor(np.log10(spread)), 0, 2))


def plus_minus(mean: float, std: float) -> str:
    """A mean ± the standard deviation, where that is known (else NaN)."""
    if not np.isfinite(std):
        return f"<b>{figures(mean)}</b>"
    digits = decimals(std)
    return f"<b>{signed(mean, digits)}</b> ± {signed(std, digits)}"


def share(distance: float) -> str:
    """A distance relative to the limit's norm: in percent, or as a multiple where it is thousands of percent."""
    if distance >= 10:
        return _("{ratio} × the limit’s norm").format(ratio=figures(distance))
    return f"{distance:.0%}" if distance >= 1 else f"{distance:.1%}"


def with_error(slope: Slope) -> str:
    """A slope ± its standard error, where that is known."""
    if not np.isfinite(slope.error):
        return f"<b>{signed(slope.value)}</b>"
    digits = 3 if 0 < slope.error < 0.005 else 2
    return f"<b>{signed(slope.value, digits)}</b> ± {slope.error:.{digits}f}"


def one_over_root(deviations: Mapping[int, Sequence[float]]) -> str:
    """Whether the deviations of several networks at each width fall as 1/√n: the slope, then the verdict."""
    slope = log_log_slope(deviations)
    if not np.isfinite(slope.value):
        return _("Each point is one random network. A slope needs two widths; theory predicts −0.50.")
    if min(map(len, deviations.values())) < FEWEST:
        said = _(
            "Slope <b>{slope}</b> so far; theory predicts −0.50. An error estimate needs more networks at each width."
        )
        return said.format(slope=signed(slope.value))
    if not slope.agrees_with(-0.5):
        said = _("Slope {slope} (s.e.), not −0.50.")
        return f"{said.format(slope=with_error(slope))} {_why_not(deviations, slope)}"
    if slope.error > VAGUE:
        said = _("Slope {slope} (s.e.): too uncertain to test the theory’s −0.50.")
    else:
        said = _("Slope {slope} (s.e.) agrees with theory, −0.50: quadrupling the width halves the distance.")
    return said.format(slope=with_error(slope))


def slope_alone(deviations: Mapping[int, Sequence[float]]) -> str:
    """The slope where no law is known: without a finite variance, a standard error would say nothing."""
    slope = log_log_slope(deviations)
    if not np.isfinite(slope.value):
        return ""
    return _("Measured slope: <b>{slope}</b>.").format(slope=signed(slope.value))


def _why_not(deviations: Mapping[int, Sequence[float]], slope: Slope) -> str:
    """Why a slope is not −1/2, as far as the numbers tell."""
    widths = sorted(deviations)
    wide = widths[len(widths) // 2 :]
    widest = float(np.mean(deviations[widths[-1]]))
    if widest > FAR:
        said = _("That law holds for wide networks; at width {width} the deviation is still <b>{deviation}</b>.")
        return said.format(width=f"{widths[-1]:,}", deviation=share(widest))
    above = log_log_slope({width: deviations[width] for width in wide})
    if len(wide) > 2 and above.error <= VAGUE and above.agrees_with(-0.5):
        said = _("That law holds for wide networks; from width {width} on, the slope is {slope}: it agrees.")
        return said.format(width=f"{wide[0]:,}", slope=with_error(above))
    if abs(slope.value + 0.5) < 3 * slope.error:
        return _("By chance alone, one slope in twenty is this far away.")
    return _("That law holds for wide networks; at these widths, higher-order terms still bend the curve.")


def law(c: float, error: float) -> str:
    """The predicted law and its band."""
    said = _("Predicted: c/√n with c = {c} (s.e.); nine networks in ten lie in the band.")
    return said.format(c=plus_minus(c, error))


def width_needed(c: float, error: float, goals: Sequence[float]) -> str:
    """The widths n = (c/r)² at which the deviation is r on average, for each of `goals`."""
    exactly, roughly = _("{goal} %: <b>{width}</b>"), _("{goal} % (to leading order): <b>{width}</b>")
    wanted = [
        (roughly if goal >= NEAR else exactly).format(goal=f"{100 * goal:g}", width=about(max(1, (c / goal) ** 2)))
        for goal in goals
    ]
    said = _("Width needed for {widths}; ± {error} % (s.e.).")
    said = said.format(widths=clauses(wanted), error=max(1, round(200 * error / c)))
    return said.replace(" %", "\N{NO-BREAK SPACE}%")


def as_predicted(distances: Mapping[tuple[int, int], float], c: float, error: float) -> str:
    """Whether networks, by width and seed, are as far from their limit as c/√n predicts."""
    compared = {at: distance for at, distance in distances.items() if c <= NEAR * at[0] ** 0.5}
    if not compared:
        said = _("Networks can be compared with the prediction from width {width} on.")
        return said.format(width=about((c / NEAR) ** 2))
    ratio, networks = over_predicted(compared, c, error), len({seed for _, seed in compared})
    if networks < FEWEST:
        said = _("From width {width} on, the measured distance is <b>{ratio}</b> times the predicted one so far.")
    else:
        said = _verdict(ratio)
    return said.format(width=f"{min(compared)[0]:,}", ratio=f"{ratio.value:.2f}", error=f"{ratio.error:.2f}")


def _verdict(ratio: Ratio) -> str:
    """Whether a measured distance over the predicted one is 1, as far as its error tells."""
    chance = ratio.chance(abs(ratio.value - 1))
    if chance < NEVER:
        return _(
            "From width {width} on, the measured distance is <b>{ratio}</b> ± {error} (s.e.) times the predicted one: "
            "more than chance explains. Higher-order terms still matter at these widths."
        )
    if chance < RARE:
        return _(
            "From width {width} on, the measured distance is <b>{ratio}</b> ± {error} (s.e.) times the predicted one. "
            "By chance alone, one ratio in twenty is this far from 1."
        )
    if ratio.chance(UNSURE) > RARE:
        return _(
            "From width {width} on, the measured distance is <b>{ratio}</b> ± {error} (s.e.) times the predicted one: "
            "too uncertain to judge."
        )
    return _(
        "From width {width} on, the measured distance is <b>{ratio}</b> ± {error} (s.e.) times the predicted one: "
        "they agree."
    )
