"""The teaching application: widgets, plots and the dashboard. The only folder that knows them.

```python
from ntkviz import app

controls = app.Controls(depth=app.Slider("depth", 1, 10, start=3))
app.Picture(controls, [plot], at_once=infinite_side, as_it_comes=finite_side)
```
"""

from .attention import AttentionPair, WeightCloud
from .chapter import Cards, Chapter, chapters
from .company import CompanyPlot, TwoBatches
from .contribution_maps import ContributionMaps
from .controls import Choice, Controls, Slider, Steps
from .curves import CurvesPlot, LawPlot
from .data import Digits, digits
from .distributions import CoordinateHistogram, FunctionDraws
from .exercise import Exercise
from .experiments import Experiment, experiments
from .figure_1 import Curve, DeviationCurves, SlopePlot
from .listing import Listing
from .memory import GatePlot, MemoryPlot
from .panel import Part, Plot
from .phase import LayersPlot, PhaseDiagram
from .picture import Picture
from .pixels import PixelPlot
from .plots import ConvergencePlot, KernelPair
from .quiz import Quiz
from .running_average import RunningAverage
from .score import ScorePlot
from .shift import ImagePair, ShiftPlot
from .step_law import StepLaw
from .tables import table
from .task import Task
from .training import CertaintyPlot, LeavingPlot, TrainingCurves
