"""The course: widgets, plots and the dashboard. No other folder depends on widgets or plots.

```python
from ntkviz import app

controls = app.Controls(depth=app.Slider("depth", 1, 10, start=3))
app.Picture(controls, [plot], at_once=infinite_side, as_it_comes=finite_side)
```

The public names are listed in `__init__.pyi`. A page's process loads only the plots that the page shows.
"""

import lazy_loader as _lazy

__getattr__, __dir__, __all__ = _lazy.attach_stub(__name__, __file__)
