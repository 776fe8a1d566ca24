"""See any architecture's Neural Tangent Kernel meet its infinite-width limit.

Write an architecture once, as a tensor program (Yang, *Tensor Programs II*, arXiv:2006.14548). Read
at finite width it is a random network with an empirical NTK; read at infinite width it gives the
limit NTK; read as text it gives its program and its Simple GIA Check.
"""

import os as _os

from .distant.asking import ENGINE as _ENGINE

if _ENGINE in _os.environ:
    from .distant.modules import keep_the_engine_away as _keep_the_engine_away

    _keep_the_engine_away()
else:
    import jax as _jax

    # Limits are calculated in float64, which JAX offers only as a setting of the whole process.
    _jax.config.update("jax_enable_x64", True)

from . import architectures, regression
from .errors import (
    ClusterError,
    HyperparameterError,
    InputError,
    NoForwardLimitError,
    NotFiniteError,
    NtkvizError,
    ProgramError,
    TooLargeError,
)
from .language import (
    Architecture,
    GIAReport,
    Nonlinearity,
    Program,
    architecture,
    batchnorm,
    concatenate,
    einsum,
    inner,
    layernorm,
    maximum,
    moment,
    nonlinearity,
    program,
    simple_gia_check,
    softmax,
    sqrt,
    stack,
)
from .language.nonlinearities import (
    abs,
    cos,
    cube,
    erf,
    erf_gate,
    exp,
    gelu,
    identity,
    leaky_relu,
    relu,
    sigmoid,
    sign,
    sin,
    square,
    step,
    tanh,
)
from .readings.bounded import cost
from .readings.constants import limit_scalars
from .readings.contributions import empirical_contributions, infinite_contributions
from .readings.deviation import deviation
from .readings.finite import empirical_ntk
from .readings.gram import gram
from .readings.infinite import Kernels, explain, infinite_ntk
from .readings.master import MasterTheorem, coordinates, limit_law, master_theorem
from .readings.outputs import sample_outputs
from .readings.plan import Plan
from .readings.recurrence import half_life, recurrence, recurrence_limit
from .readings.sweep import sweep
from .readings.training import Training, train
