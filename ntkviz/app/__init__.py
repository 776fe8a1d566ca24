"""The course: widgets, plots and the dashboard. No other folder depends on widgets or plots.

```python
from ntkviz import app

controls = app.Controls(depth=app.Slider("depth", 1, 10, start=3))
app.Picture(controls, [plot], at_once=infinite_side, as_it_comes=finite_side)
```
"""

from .course.approach import approach, costs
from .course.chapter import Cards, Chapter, chapters
from .course.data import Digits, digits
from .course.experiments import Experiment, experiments
from .exercises.derivation import Derivation
from .exercises.exercise import Exercise
from .exercises.explanation import Explanation
from .exercises.near import near
from .exercises.quiz import Quiz
from .exercises.task import Task
from .pages.block_stack import BlockStack
from .pages.controls import Choice, Controls, Slider, Stops
from .pages.picture import Picture
from .pages.views import View
from .plots.attention import AttentionPair, WeightCloud
from .plots.convergence import ConvergencePlot
from .plots.curves import CurvesPlot, LawPlot
from .plots.distributions import CoordinateHistogram, EntryLaw, FunctionDraws, InfluenceHistogram
from .plots.extra_point import KernelRowPlot, TwoBatches
from .plots.figure_1 import Curve, DeviationCurves, SlopePlot
from .plots.learning.points import FitPlot, ModesPlot
from .plots.learning.pull import PullPlot, RowPlot
from .plots.learning.richness import FeaturesPlot, RichnessPlot
from .plots.learning.training import CertaintyPlot, LinearisationErrorPlot, TrainingCurves
from .plots.panel import Handle, Part, Plot
from .plots.phase import LayersPlot, PhaseDiagram
from .plots.pixels import PixelMaps, PixelPlot
from .plots.positions import PositionTable
from .plots.recurrent.contribution_maps import ContributionMaps
from .plots.recurrent.memory import GatePlot, MemoryPlot
from .plots.recurrent.running_sum import RunningSum
from .plots.shift import ImagePair, ShiftPlot
from .plots.side_by_side_kernels import SideBySideKernels
from .style.tables import table
from .walkthrough.block_code import python_of
from .walkthrough.line_cloud import LineCloud
from .walkthrough.listing import Listing
from .walkthrough.running_average import RunningAverage
from .walkthrough.score import ScorePlot
from .walkthrough.source import SourceListing, changed_lines
