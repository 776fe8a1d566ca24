"""The names of the course and their modules. `__init__.py` reads this list, and loads each name on first use."""

from .course.approach import approach as approach, costs as costs
from .course.chapter import Cards as Cards, Chapter as Chapter, chapters as chapters
from .course.data import Digits as Digits, digits as digits
from .course.experiments import Experiment as Experiment, experiments as experiments
from .exercises.derivation import Derivation as Derivation
from .exercises.exercise import Exercise as Exercise
from .exercises.explanation import Explanation as Explanation
from .exercises.near import near as near
from .exercises.quiz import Quiz as Quiz
from .exercises.task import Task as Task
from .pages.block_stack import BlockStack as BlockStack
from .pages.controls import Choice as Choice, Controls as Controls, Slider as Slider, Stops as Stops
from .pages.picture import Picture as Picture
from .pages.views import View as View
from .plots.attention import AttentionPair as AttentionPair, WeightCloud as WeightCloud
from .plots.convergence import ConvergencePlot as ConvergencePlot
from .plots.curves import CurvesPlot as CurvesPlot, LawPlot as LawPlot
from .plots.distributions import (
    CoordinateHistogram as CoordinateHistogram,
    EntryLaw as EntryLaw,
    FunctionDraws as FunctionDraws,
    InfluenceHistogram as InfluenceHistogram,
)
from .plots.extra_point import KernelRowPlot as KernelRowPlot, TwoBatches as TwoBatches
from .plots.figure_1 import Curve as Curve, DeviationCurves as DeviationCurves, SlopePlot as SlopePlot
from .plots.learning.points import FitPlot as FitPlot, ModesPlot as ModesPlot
from .plots.learning.pull import PullPlot as PullPlot, RowPlot as RowPlot
from .plots.learning.richness import FeaturesPlot as FeaturesPlot, RichnessPlot as RichnessPlot
from .plots.learning.training import (
    CertaintyPlot as CertaintyPlot,
    LinearisationErrorPlot as LinearisationErrorPlot,
    TrainingCurves as TrainingCurves,
)
from .plots.panel import Handle as Handle, Part as Part, Plot as Plot
from .plots.phase import LayersPlot as LayersPlot, PhaseDiagram as PhaseDiagram
from .plots.pixels import PixelMaps as PixelMaps, PixelPlot as PixelPlot
from .plots.positions import PositionTable as PositionTable
from .plots.recurrent.contribution_maps import ContributionMaps as ContributionMaps
from .plots.recurrent.memory import GatePlot as GatePlot, MemoryPlot as MemoryPlot
from .plots.recurrent.running_sum import RunningSum as RunningSum
from .plots.shift import ImagePair as ImagePair, ShiftPlot as ShiftPlot
from .plots.side_by_side_kernels import SideBySideKernels as SideBySideKernels
from .style.tables import table as table
from .walkthrough.block_code import python_of as python_of
from .walkthrough.line_cloud import LineCloud as LineCloud
from .walkthrough.listing import Listing as Listing, verdict as verdict
from .walkthrough.running_average import RunningAverage as RunningAverage
from .walkthrough.score import ScorePlot as ScorePlot
from .walkthrough.source import SourceListing as SourceListing, changed_lines as changed_lines
