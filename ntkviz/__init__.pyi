"""The public names and their modules. `__init__.py` reads this list, and loads each name on first use."""

from . import architectures as architectures, regression as regression
from .errors import (
    ClusterError as ClusterError,
    DivergenceError as DivergenceError,
    HyperparameterError as HyperparameterError,
    InputError as InputError,
    NoForwardLimitError as NoForwardLimitError,
    NoGradientError as NoGradientError,
    NotFiniteError as NotFiniteError,
    NotIntegrableError as NotIntegrableError,
    NtkvizError as NtkvizError,
    ProgramError as ProgramError,
    StructuralHyperparameterError as StructuralHyperparameterError,
    TooLargeError as TooLargeError,
    TraceError as TraceError,
)
from .language.architecture import Architecture as Architecture, architecture as architecture, program as program
from .language.gradients.gia import GIAReport as GIAReport, simple_gia_check as simple_gia_check
from .language.maximum import maximum as maximum
from .language.nonlinearities.nonlinearity import (
    Nonlinearity as Nonlinearity,
    abs as abs,
    cos as cos,
    cube as cube,
    erf as erf,
    erf_gate as erf_gate,
    exp as exp,
    gelu as gelu,
    identity as identity,
    leaky_relu as leaky_relu,
    nonlinearity as nonlinearity,
    relu as relu,
    sigmoid as sigmoid,
    sign as sign,
    sin as sin,
    square as square,
    step as step,
    tanh as tanh,
)
from .language.program import Program as Program
from .language.functions import (
    batchnorm as batchnorm,
    concatenate as concatenate,
    einsum as einsum,
    inner as inner,
    layernorm as layernorm,
    moment as moment,
    softmax as softmax,
    sqrt as sqrt,
    stack as stack,
)
from .execution.memory_limit import cost as cost
from .kernels.constants import limit_scalars as limit_scalars
from .kernels.contributions import (
    empirical_contributions as empirical_contributions,
    infinite_contributions as infinite_contributions,
)
from .kernels.deviation import deviation as deviation
from .kernels.fluctuation import fluctuation as fluctuation, width_for as width_for
from .networks.finite import empirical_ntk as empirical_ntk
from .kernels.function import KernelFunction as KernelFunction, kernel_fn as kernel_fn
from .kernels.gram import gram as gram
from .kernels.infinite import explain as explain, infinite_ntk as infinite_ntk
from .kernels.results import (
    Band as Band,
    Fluctuation as Fluctuation,
    KernelArrays as KernelArrays,
    Kernels as Kernels,
    Plan as Plan,
    RequiredWidth as RequiredWidth,
)
from .calculus.master import (
    coordinates as coordinates,
    limit_law as limit_law,
    master_theorem as master_theorem,
)
from .calculus.virtual import (
    virtual_coordinates as virtual_coordinates,
    virtual_ntk as virtual_ntk,
    virtual_outputs as virtual_outputs,
)
from .networks.outputs import sample_outputs as sample_outputs
from .calculus.half_life import half_life as half_life
from .calculus.recurrence import recurrence as recurrence, recurrence_limit as recurrence_limit
from .calculus.results import MasterTheorem as MasterTheorem
from .calculus.walkthrough import Walkthrough as Walkthrough
from .tracing.report import Report as Report, TracedParameter as TracedParameter
from .tracing.same_parameters import Check as Check
from .tracing.traced import AssumptionWarning as AssumptionWarning, Traced as Traced, trace as trace
from .kernels.sweep import sweep as sweep
from .networks.results import Training as Training
from .networks.training import train as train
from .training.limit import feature_learning as feature_learning
from .training.results import FeatureLearning as FeatureLearning, Trajectory as Trajectory
from .training.program import training_program as training_program
