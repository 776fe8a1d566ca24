"""The teaching application: widgets, plots and the dashboard. The only folder that knows them.

```python
from ntkviz import app

controls = app.Controls(depth=app.Slider("depth", 1, 10, start=3))
app.Picture(controls, [plot], at_once=infinite_side, as_it_comes=finite_side)
```
"""

from .chapter import Chapter, cards, chapters
from .controls import Choice, Controls, Slider, Steps
from .curves import CurvesPlot, LawPlot
from .data import Digits, digits
from .distributions import CoordinateHistogram, FunctionDraws
from .exercise import Exercise
from .picture import Picture
from .plots import ConvergencePlot, KernelPair, Plot
from .quiz import Quiz
from .tables import table
