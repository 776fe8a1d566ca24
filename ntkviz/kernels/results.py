"""Results about kernels: records of numbers, which need no JAX."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
from jaxtyping import Float

from ..convergence import Slope, log_log_slope
from ..errors import HyperparameterError
from ..gaussian.error_kind import MEANING, ErrorKind

if TYPE_CHECKING:
    from jax import Array

Reading = Literal["forward kernels", "forward kernels over time", "symbolic Z", "sampled Z"]

DOES: dict[Reading, str] = {
    "forward kernels": "second moments of the limits and their tangents, instruction by instruction",
    "forward kernels over time": "second moments of the limits and their tangents, by one scan over the steps",
    "symbolic Z": "the Z calculus of forward and backward pass, every expectation by a formula or an integral",
    "sampled Z": "the Z calculus of forward and backward pass on samples of the limits",
}


_NORMS = 2**16
"""The number of draws of a norm; if the norm is |g| for a normal g, they give its fifth percentile to within 2 %."""


@dataclass(frozen=True)
class Plan:
    """How `nv.infinite_ntk` computes a limit.

    Attributes:
        reading: `"forward kernels"`, `"forward kernels over time"`, `"symbolic Z"` or `"sampled Z"`.
        error_kind: The kind of the answer's error: `"rounding"`, `"estimate"` or `"standard error"`.
        reasons: Why no better reading is used, one sentence each; empty for the best.
        written_out: Whether layers that the architecture repeats are written out one by one.
        split: The names of the functions of several vectors that are rewritten as sums of products of functions of one
            linear combination each.
    """

    reading: Reading
    error_kind: ErrorKind
    reasons: tuple[str, ...] = ()
    written_out: bool = False
    split: tuple[str, ...] = ()

    def __str__(self) -> str:
        lines = [f"{self.reading[0].upper()}{self.reading[1:]}: {DOES[self.reading]}."]
        lines += [f"- {reason}" for reason in self.reasons]
        lines += ["- The repeated layers are written out one by one."] * self.written_out
        lines += [f"- {name} is a sum of products of functions of one linear combination each." for name in self.split]
        return "\n".join([*lines, f"Error: {MEANING[self.error_kind]}."])


class Kernels(NamedTuple):
    """The kernels of the infinitely wide network on two batches.

    Attributes:
        nngp: E[f(x) f(x̄)] at initialisation, `(|x1|, |x2|)`.
        ntk: The limit neural tangent kernel, `(|x1|, |x2|)`.
        error: The largest absolute error of an entry of either; `error_kind` says what it means.
    """

    nngp: Float[np.ndarray, "*points batch batch_bar"]
    ntk: Float[np.ndarray, "*points batch batch_bar"]
    error: float

    @property
    def error_kind(self) -> ErrorKind:
        """The kind of `error`: `"rounding"` (closed forms), `"estimate"` (integrals), `"standard error"` (samples)."""
        return getattr(self.error, "kind", "estimate")


class KernelArrays(NamedTuple):
    """The kernels of the infinitely wide network on two batches, as arrays of JAX: the value of a `kernel_fn`.

    Attributes:
        nngp: E[f(x) f(x̄)] at initialisation, `(|x1|, |x2|)`.
        ntk: The limit neural tangent kernel, `(|x1|, |x2|)`.
    """

    nngp: Float[Array, "*points batch batch_bar"]
    ntk: Float[Array, "*points batch batch_bar"]


class Deviation(NamedTuple):
    """One random network's distance from the limit, ‖Θ_n − Θ‖_F / ‖Θ‖_F."""

    width: int
    seed: int
    relative_frobenius: float


class DeviationTable(tuple[Deviation, ...]):
    """A tuple of rows `(width, seed, relative_frobenius)`, with its means and its slope."""

    def means(self) -> dict[int, float]:
        """The deviation at each width, averaged over seeds.

        Returns:
            ‖Θ_n − Θ‖_F / ‖Θ‖_F for each width n, ascending in n.
        """
        return {w: float(np.mean([r.relative_frobenius for r in self if r.width == w])) for w in self.widths()}

    def widths(self) -> list[int]:
        """The widths that were sampled.

        Returns:
            The distinct widths n, ascending.
        """
        return sorted({row.width for row in self})

    def slope(self) -> float:
        """The log–log slope of the mean deviation against width; theory predicts −1/2.

        Returns:
            The slope; NaN for fewer than two widths.
        """
        return self._slope().value

    def slope_error(self) -> float:
        """The standard error of `slope`, from the scatter of networks of one width.

        Returns:
            The standard error; NaN if some width has only one network.
        """
        return self._slope().error

    def _slope(self) -> Slope:
        return log_log_slope({w: [row.relative_frobenius for row in self if row.width == w] for w in self.widths()})


class Band(NamedTuple):
    """The band in which the distances of single wide networks from their limit lie: from low/√n to high/√n.

    Attributes:
        low: The lower end; as many networks are nearer than low/√n as are farther than high/√n.
        high: The upper end.
        error: The larger of the standard errors of the two ends.
    """

    low: float
    high: float
    error: float


class Fluctuation(NamedTuple):
    """The fluctuation of wide networks about their limit: √n (Θ_n − Θ) tends to a centred Gaussian field.

    Attributes:
        c: The constant in E‖Θ_n − Θ‖_F / ‖Θ‖_F ≈ c/√n, dimensionless.
        error: The standard error of `c` over independent scrambles of the samples.
        covariance: lim n Cov(Θ_n[i, j], Θ_n[k, l]), `(|x|, |x|, |x|, |x|)`; `None` for more than eight inputs.
        draws: Draws of that field, `(256, |x|, |x|)`.
        influences: The contribution of one coordinate to each entry of n (Θ_n − Θ), for draws of that coordinate from
            its limit, `(1024, |x|, |x|)`; its mean is 0, and its covariance is `covariance` up to sampling. `None` for
            more than eight inputs.
    """

    c: float
    error: float
    covariance: Float[np.ndarray, "x x x x"] | None
    draws: Float[np.ndarray, "draws x x"]
    influences: Float[np.ndarray, "coordinates x x"] | None

    def band(self, share: float = 0.9) -> Band:
        """The band that contains this share of single networks: quantiles of ‖G‖_F / ‖Θ‖_F, G being the Gaussian field.

        Args:
            share: The share of networks, between 0 and 1, both excluded.

        Returns:
            The band, in units of 1/√n, like `c`.

        Raises:
            HyperparameterError: `share` is not a number between 0 and 1.
        """
        if not (isinstance(share, int | float | np.number) and 0 < share < 1):
            raise HyperparameterError(f"share is {share!r}; it must be a number between 0 and 1, such as 0.9.")
        norms = self._norms()
        distances = self.c * norms / (norms.mean() or 1.0)
        ends = np.array([(1 - share) / 2, (1 + share) / 2])
        low, high = np.quantile(distances, ends, method="weibull")  # unbiased even for few draws
        # The share of draws below a quantile p has the standard error √(p(1 − p)/N), here converted to distances.
        off = np.sqrt(ends * (1 - ends) / len(distances))
        spread = np.quantile(distances, np.clip(ends + off, 0, 1)) - np.quantile(distances, np.clip(ends - off, 0, 1))
        relative = self.error / (self.c or 1.0)
        return Band(float(low), float(high), float(np.hypot(spread / 2, relative * np.array([low, high])).max()))

    def _norms(self) -> np.ndarray:
        """Draws of ‖G‖_F: √(Σ λ_k g_k²) with the eigenvalues of the covariance, where it is known."""
        if self.covariance is None:
            return np.asarray(np.linalg.norm(self.draws, axis=(1, 2)))
        size = len(self.covariance) ** 2
        eigenvalues = np.maximum(np.linalg.eigvalsh(self.covariance.reshape(size, size)), 0.0)
        return np.asarray(np.sqrt(np.random.default_rng(0).standard_normal((_NORMS, size)) ** 2 @ eigenvalues))


class RequiredWidth(NamedTuple):
    """The width that networks must have.

    Attributes:
        width: The width n, rounded up.
        error: The standard error of `width`.
    """

    width: int
    error: float
