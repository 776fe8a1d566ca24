"""Regression with the kernels: how an infinitely wide network learns from examples.

Before training, the network is a Gaussian process f₀ of mean zero whose covariance is the NNGP K.
Whether it learns the targets Y of the inputs X by Bayes' rule or by gradient descent, its output at
every input x becomes

    f(x) = f₀(x) + A (Y − ε − f₀(X)),

its initial output plus a fixed linear map of the initial errors. (Bayes' rule may assume noise in the
targets, ε ~ N(0, σ²); gradient descent has none, σ = 0.) Only the map A differs:

- Bayes' rule: A = K(x,X)(K + σ²)⁻¹. Only the NNGP matters.
- Gradient flow until time t: A = Θ(x,X)Θ⁻¹(1 − e^{−Θt}). The NTK Θ says how much an error at X changes
  f at x, and at infinite width it stays constant during training.

So f is Gaussian again, with mean A Y and covariance
K(x,x̄) − A K(X,x̄) − K(x,X) Aᵀ + A (K + σ²) Aᵀ. Several outputs have separate readouts: they are
independent, with the same A and the same covariance.

Source: Lee et al. 2019 (arXiv:1902.06720), §2, for both; Jacot et al. 2018
(arXiv:1806.07572) for the NTK; Yang & Littwin 2021 (arXiv:2105.03703) for training in any architecture.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Real

from .distant.readings import read
from .errors import DivergenceError, HyperparameterError, InputError, phrase, shown
from .execution.ragged import Group, group_by_shape
from .kernels.losses import slope_of
from .kernels.results import Kernels
from .language.architecture import Architecture, check_architecture, number, truth
from .language.gradients.gia import check_program
from .language.numbers import real_array


class Prediction(NamedTuple):
    """The Gaussian law of the network's outputs at the test inputs, over random initialisations.

    Attributes:
        mean: `(*times, test)`, or `(*times, test, outputs)` if the targets have outputs; in the units of the targets.
        covariance: `(*times, test, test)`, the same for every output; `None` if it was not requested.
    """

    mean: np.ndarray
    covariance: Float[np.ndarray, "*times test test"] | None


class Outputs(NamedTuple):
    """The outputs of a network in training, in the units of the targets.

    Attributes:
        train: At the training inputs, `(*times, train)` or `(*times, train, outputs)`.
        test: At the test inputs, `(*times, test)` or `(*times, test, outputs)`.
    """

    train: np.ndarray
    test: np.ndarray


def fit(arch: Architecture, x_train: Any, y_train: Any, x_test: Any = None, *, covariance: bool = True) -> Regression:
    """Fit the infinitely wide network of an architecture to training examples.

    ```python
    wide = nv.regression.fit(nv.architectures.mlp(), x_train, y_train, x_test)
    wide.gradient_flow(t=3.0).mean, wide.nngp_posterior(noise=0.1).covariance
    ```

    Source: Lee et al. 2019 (arXiv:1902.06720), §2; Yang & Littwin 2021 (arXiv:2105.03703) for any architecture.

    Args:
        arch: An architecture that passes the Simple GIA Check. The output of one that fails is read at scale 1/n,
            where it is a deterministic number and not Gaussian.
        x_train: A batch of inputs, as for `infinite_ntk`. If the program mixes the examples of a batch, each batch is
            a separate input: with batch normalisation it is normalised by its own statistics, and the nodes of a graph
            are not connected to those of the other batch. For training and test nodes of one graph, construct a
            `Regression` from the kernels of all nodes.
        y_train: Targets, `(train,)` or `(train, outputs)`. The untrained network's mean is zero, so centre them. To
            predict one finite network rather than the average over all, pass Y − f₀(X) and add its f₀ to the mean.
        x_test: Another batch, like `x_train`; `None` means `x_train` again.
        covariance: `False` skips the kernels between test inputs, for when only the means are needed.

    Returns:
        A `Regression`. The kernels are computed here, once for all predictions.

    Raises:
        InputError: The inputs or targets cannot be used, or a kernel is infinite.
        HyperparameterError: The architecture fails the check, or `covariance` is not a bool.
        NtkvizError: Whatever else `infinite_ntk` raises.
    """
    covariance = truth(covariance, "covariance")
    groups = group_by_shape(x_train, "x_train")
    _check_gaussian(check_architecture(arch), groups[0])
    targets = _targets(y_train, sum(len(group.members) for group in groups))
    train = read("infinite_ntk", arch, x_train)
    if x_test is None:
        return Regression(targets, train, train, train if covariance else None)
    group_by_shape(x_test, "x_test")
    cross = read("infinite_ntk", arch, x_test, x_train)
    return Regression(targets, train, cross, read("infinite_ntk", arch, x_test) if covariance else None)


@dataclass(frozen=True, eq=False)
class Regression:
    """The targets, and the kernels of the inputs: everything that the predictions depend on.

    `fit` computes one from inputs; it can also be constructed from kernels that were computed elsewhere.

    Singular kernels, as for equal inputs, are an ordinary case: in a direction in which the kernel vanishes, to
    within its own error, the network cannot distinguish the training inputs, and its output does not change.

    Attributes:
        y_train: Targets, `(train,)` or `(train, outputs)`.
        train: The kernels between training inputs, `(train, train)`.
        cross: The kernels from test to training inputs, `(test, train)`.
        test: The kernels between test inputs, `(test, test)`; `None` if no covariance is needed.

    Raises:
        InputError: The targets or kernels are not real and finite, or their shapes do not match.
    """

    y_train: Real[np.ndarray, "train *outputs"]
    train: Kernels
    cross: Kernels
    test: Kernels | None = None

    def __post_init__(self) -> None:
        tests, count = np.shape(self.cross.nngp)
        object.__setattr__(self, "y_train", _targets(self.y_train, count))
        _check_kernels("train", self.train[:2], (count, count))
        _check_kernels("cross", self.cross[:2], (tests, count))
        if self.test is not None:
            _check_kernels("test", self.test[:1], (tests, tests))

    def nngp_posterior(self, noise: float = 0.0) -> Prediction:
        """The posterior of the NNGP given the targets, by Bayes' rule.

        Mean K(x,X)(K + σ²)⁻¹Y, covariance K(x,x̄) − K(x,X)(K + σ²)⁻¹K(X,x̄). The covariance is that of f itself; that
        of a new noisy target is larger by σ². With σ = 0 it is also the limit of gradient flow on the readout alone.

        Source: Lee et al. 2018 (arXiv:1711.00165), §2.4.

        Args:
            noise: σ ≥ 0, the standard deviation of the noise of the targets, in their units.

        Returns:
            The posterior, `mean` `(test,)` or `(test, outputs)` and `covariance` `(test, test)`.

        Raises:
            HyperparameterError: The noise is not a number ≥ 0.
        """
        variance = number(noise, "noise", at_least=0) ** 2
        noisy = self.train.nngp + variance * np.eye(len(self.y_train))
        modes = _modes(noisy, self.train.error)
        return self._corrected(self.cross.nngp, modes, np.ones(len(modes.rates)), noisy)

    def gradient_flow(self, t: Any = np.inf) -> Prediction:
        """The network after gradient flow until time t: dω/dt = −lr·∂L/∂ω, L = ½ Σ (f − Y)².

        Along each eigenvector of the NTK the error decays independently, as e^{−λt}: large eigenvalues are
        learned first. At t = 0 the network is untrained; at ∞ it fits the targets. L is a sum over training
        inputs and outputs; for a mean, divide t by their number.

        Source: Lee et al. 2019 (arXiv:1902.06720), Theorem 2.2.

        Args:
            t: A time in [0, ∞], in units of 1/λ, or an array of times `(*times,)`.

        Returns:
            The law of the outputs: `mean` `(*times, test)` or `(*times, test, outputs)`, and `covariance`
            `(*times, test, test)`.

        Raises:
            HyperparameterError: A time is not a number ≥ 0.
        """
        times = _nonnegative(t, "t", kinds="iuf", wanted=phrase("a time ≥ 0, infinity included, or an array of times"))
        modes = self._ntk_modes
        return self._corrected(self.cross.ntk, modes, -np.expm1(-(times[..., None] * modes.rates)), self.train.nngp)

    def gradient_descent(self, steps: Any, rate: float) -> Prediction:
        """The network after `steps` steps ω ← ω − rate·lr·∂L/∂ω of gradient descent, L = ½ Σ (f − Y)².

        A step multiplies the error along an eigenvector by 1 − rate·λ, and gradient flow in the same
        time by e^{−rate·λ}: for a small rate both agree at t = steps·rate, and above
        `learning_rate_bound()` the errors grow with every step.

        Source: Lee et al. 2019 (arXiv:1902.06720), §2.2.

        Args:
            steps: A whole number ≥ 0, or an array of them `(*times,)`.
            rate: The learning rate, > 0, in units of 1/λ.

        Returns:
            The law of the outputs: `mean` `(*times, test)` or `(*times, test, outputs)`, and `covariance`
            `(*times, test, test)`.

        Raises:
            HyperparameterError: The steps are not whole numbers ≥ 0, or the rate is not a number > 0.
        """
        counts = _nonnegative(steps, "steps", kinds="iu", wanted=phrase("a whole number ≥ 0 or an array of them"))
        modes = self._ntk_modes
        left = (1 - number(rate, "rate", above=0) * modes.rates) ** counts[..., None]
        return self._corrected(self.cross.ntk, modes, 1 - left, self.train.nngp)

    def train_with(
        self, loss: Any, steps: Any, rate: float, *, momentum: float = 0.0, start: tuple[Any, Any] = (0.0, 0.0)
    ) -> Outputs:
        """A network after `steps` steps of gradient descent with momentum, for any loss L = Σ ℓ(f, y).

        In the parameters, u ← momentum·u + ∂L/∂ω and ω ← ω − rate·lr·u. At infinite width, u acts on outputs through
        the NTK, which stays as it is: with χ = ∂L/∂f, u ← momentum·u + χ and f ← f − rate·Θ(·,X) u. Other losses than
        the squared one are not linear in f, so that the result depends on the network's initial outputs; from 0, it is
        not the mean over all networks.

        Source: Lee et al. 2019 (arXiv:1902.06720), §2.2, equations (3) and (4) for any loss; Polyak 1964 for momentum.

        Args:
            loss: "squared" (½(f − y)²), "logistic" (log(1 + e^{−yf}) with targets ±1), "cross-entropy" (of a softmax of
                the outputs, with targets of sum 1), or a function of the outputs and the targets that returns χ.
            steps: A whole number ≥ 0, or an array of them `(*times,)`.
            rate: The learning rate, > 0.
            momentum: A number in [0, 1).
            start: The outputs of the untrained network at the training and test inputs.

        Returns:
            The outputs after these steps.

        Raises:
            HyperparameterError: The loss is unknown, or a number is out of its range.
            InputError: The targets do not fit the loss, or the outputs at the start do not fit the inputs.
            DivergenceError: The outputs grow beyond all bounds.
        """
        counts = _nonnegative(steps, "steps", kinds="iu", wanted=phrase("a whole number ≥ 0 or an array of them"))
        rate, momentum = number(rate, "rate", above=0), number(momentum, "momentum", at_least=0)
        if momentum >= 1:
            raise HyperparameterError(f"momentum is {shown(momentum)}; it must be less than 1.")
        slope, y = slope_of(loss, self.y_train), np.asarray(self.y_train, float)
        train, test = (
            _start(f, np.shape(k)[:1] + y.shape[1:]) for f, k in zip(start, (y, self.cross.ntk), strict=True)
        )
        u, path = np.zeros_like(train), {0: (train, test)}
        for step in range(1, int(counts.max(initial=0)) + 1):
            u = momentum * u + np.asarray(slope(train, y), float)
            with np.errstate(over="ignore", invalid="ignore"):
                train, test = train - rate * self.train.ntk @ u, test - rate * self.cross.ntk @ u
            if not np.all(np.isfinite(train)):
                raise DivergenceError(f"At the rate {rate:g}, training diverges at step {step}; choose a smaller one.")
            if np.any(counts == step):
                path[step] = train, test
        found = [[path[int(k)][side] for k in counts.ravel()] for side in (0, 1)]
        one, other = (np.array(f).reshape((*counts.shape, *s.shape)) for f, s in zip(found, (train, test), strict=True))
        return Outputs(one, other)

    def learning_rate_bound(self) -> float:
        """The rate above which gradient descent on L = ½ Σ (f − Y)² diverges: 2/λ_max(Θ).

        Below it |1 − rate·λ| < 1 for every eigenvalue λ of the NTK between training inputs. If L is a
        mean, multiply the bound by the number of its terms. (Lee et al. 2019, arXiv:1902.06720,
        Theorem 2.1, require the slightly smaller 2/(λ_min + λ_max).)

        Returns:
            The bound, in units of 1/λ; infinite if nothing is trained.
        """
        rates = self._ntk_modes.rates
        return float(2 / rates[-1]) if len(rates) else np.inf

    @functools.cached_property
    def _ntk_modes(self) -> Modes:
        return _modes(self.train.ntk, self.train.error)

    def _corrected(
        self,
        cross: Float[np.ndarray, "test train"],
        modes: Modes,
        moved: Float[np.ndarray, "*times rank"],
        noisy_nngp: Float[np.ndarray, "train train"],
    ) -> Prediction:
        """f₀ + A(Y − ε − f₀(X)), A = cross · V diag(moved/λ) Vᵀ, `moved` being `(*times, rank)`."""
        a = (cross @ modes.directions * (moved / modes.rates)[..., None, :]) @ modes.directions.T
        mean = a @ self.y_train
        if self.test is None:
            return Prediction(mean, None)
        shared = a @ self.cross.nngp.T
        again = a @ noisy_nngp @ np.swapaxes(a, -1, -2)
        return Prediction(mean, self.test.nngp - shared - np.swapaxes(shared, -1, -2) + again)


class Modes(NamedTuple):
    """The eigenvectors of a kernel between training inputs, without those of eigenvalue zero.

    Attributes:
        rates: The eigenvalues λ > 0, ascending, `(rank,)`; those of the NTK are the rates of learning.
        directions: The eigenvectors V, `(train, rank)`.
    """

    rates: Float[np.ndarray, "rank"]
    directions: Float[np.ndarray, "train rank"]


def _modes(kernel: Float[np.ndarray, "train train"], error: float) -> Modes:
    rates, directions = np.linalg.eigh(kernel)
    # Errors in the entries move an eigenvalue by at most `train` times their size (Weyl's inequality).
    known = rates > len(kernel) * max(error, np.finfo(float).eps * rates[-1])
    return Modes(rates[known], directions[:, known])


def one_hot(labels: Any, classes: Sequence[Any] | np.ndarray) -> Float[np.ndarray, "train classes"]:
    """Targets for classification by regression: 1 − 1/C for an input's class, −1/C for the others.

    Each row sums to zero, as the untrained network's outputs do on average. The predicted class is
    that of the largest mean, `np.asarray(classes)[prediction.mean.argmax(axis=-1)]`.

    Source: Lee et al. 2018 (arXiv:1711.00165), §3.

    Args:
        labels: The class of each input, `(train,)`.
        classes: The C classes, in the order of the columns.

    Returns:
        The targets, `(train, C)`.

    Raises:
        InputError: The labels are not a list of these classes.
    """
    try:
        labels, classes = np.asarray(labels), np.asarray(classes)
        unknown = np.setdiff1d(labels, classes)
    except (TypeError, ValueError) as problem:
        raise InputError("The labels and the classes must be plain lists of values that can be compared.") from problem
    if labels.ndim != 1:
        raise InputError(f"The labels have shape {labels.shape}; they must be (train,), the class of each input.")
    if len(unknown):
        raise InputError(f"The label {unknown[0]} is not one of the classes {shown(classes.tolist())}.")
    return np.asarray((labels[:, None] == classes) - 1 / len(classes))


# --- checks of the arguments -----------------------------------------------------------------------


def _check_gaussian(arch: Architecture, group: Group) -> None:
    report = check_program(arch.trace(group.data))
    if not report.passes:
        raise HyperparameterError(
            report.refusal(f"the output of {arch.fn.__name__} is not Gaussian, which regression needs")
        )


def _start(f: Any, shape: tuple[int, ...]) -> np.ndarray:
    outputs = real_array(
        f, "start", "The outputs at the start are not numbers; give those at training and test inputs."
    )
    if outputs.ndim and outputs.shape != shape:
        raise InputError(f"The outputs at the start have shape {outputs.shape}; they must have shape {shape}.")
    return np.array(np.broadcast_to(outputs, shape), float)


def _targets(y: Any, count: int) -> Real[np.ndarray, "train *outputs"]:
    refusal = "y_train is not an array of numbers; give one row for each training input."
    targets = np.array(real_array(y, "y_train", refusal))  # a copy, since the caller may change y
    if targets.ndim not in (1, 2) or len(targets) != count or targets.size == 0:
        raise InputError(
            f"y_train has shape {targets.shape}; for {count} training inputs it must be ({count},) or "
            f"({count}, outputs)."
        )
    if not np.all(np.isfinite(targets)):
        raise InputError("y_train contains NaN or infinity; every target must be a finite number.")
    return targets


def _check_kernels(name: str, kernels: tuple[Any, ...], shape: tuple[int, int]) -> None:
    for kernel in kernels:
        if np.shape(kernel) != shape:
            raise InputError(
                f"The {name} kernels have shape {np.shape(kernel)}; to match the others it must be {shape}."
            )
        refusal = f"One of the {name} kernels is not an array of numbers; pass kernels as `infinite_ntk` returns them."
        if not np.all(np.isfinite(real_array(kernel, f"One of the {name} kernels", refusal))):
            raise InputError(
                f"The {name} kernels contain NaN or infinity, as those of batch normalisation do when a batch is too "
                "small; predictions need finite kernels."
            )


def _nonnegative(value: Any, name: str, *, kinds: str, wanted: str) -> Real[np.ndarray, "*times"]:
    array = np.asarray(value)
    if array.dtype.kind not in kinds or not np.all(array >= 0):  # NaN ≥ 0 is false
        raise HyperparameterError(f"{name} is {shown(value)}; it must be {wanted}.")
    return array
