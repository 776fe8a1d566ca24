"""A course of a home page and a chapter that takes no time to compute."""

from pathlib import Path

import nbformat

CODE = (
    """
from ntkviz import app

class Dot(app.Plot):
    def __init__(self):
        super().__init__("dot")
        self.figure.add_scatter(x=[], y=[], mode="markers", name="dot")
        slider = "height"  # a name, which is not translated
        self.handles = [app.Handle("dot", 0.0, slider)]
        self.parts = [app.Part("The dot", [0])]

    def show(self, c):
        with self.drawing():
            self.figure.data[0].update(x=[c.width], y=[c.height])
            self.figure.update_layout(xaxis_range=[-1, 20], yaxis_range=[-1, 101])

    def tell(self, c):
        word = c.word if c.view == "both" else "alone"
        self.say(f"width {c.width}, height {c.height}, {word}: sum {c.width + c.height}")

    def table(self):
        yield ()

def networks(c):
    yield lambda: dot.tell(c)

dot = Dot()
controls = app.Controls(
    width=app.Stops("width", [1, 2, 4, 8, 16], start=1),
    height=app.Slider("height", 0, 100, start=0),
    word=app.Choice("word", ["good", "bad"], start="good"),
    view=app.Choice("view", ["both", "alone"], start="both"),
)
views = {"both": app.View([dot]), "alone": app.View([dot], without=["word"])}
app.Picture(controls, [dot], at_once=dot.show, as_it_comes=networks, play="width", views=views)
""",
    """
app.Derivation(
    "Derive it.",
    [
        app.Exercise(
            lambda d: f"What is {d} + {d}?", "sum", app.near(lambda d: 2.0 * d), start=0,
            numbers=lambda rng: int(rng.integers(10, 99)),
            hints=lambda d: ("Add.", "Double."), solution=lambda d: f"<b>{2 * d}</b>", button="Check",
        ),
        app.Exercise("And then?", "number", lambda x: (x == 3, "Measured."), start=0,
                     hints=("Count.",), solution="<b>3</b>"),
    ],
)
""",
    """
app.Quiz("Which?", [("a", lambda: ("yes", "So it is."))], ["yes", "no"], reasons=["law"], others=["luck"])
""",
)
STEPS = "### [Start](#start)\nHere.\n", "### [Wide and high](#width=8&height=50)\nThere: $\\sigma_w$.\n"


def write_course(notebooks: Path) -> None:
    """Write its notebooks, `00_home` and `01_dots`, into a folder."""
    markdown, code = nbformat.v4.new_markdown_cell, nbformat.v4.new_code_cell
    picture, *exercises = map(code, CODE)
    cells = [
        markdown("# Dots"),
        picture,
        *map(markdown, STEPS),
        markdown("## <a id='exercise'></a>Exercise"),
        *exercises,
    ]
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    known = {"title": "Dots", "summary": "Dots & lines.", "part": "Part"}
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=kernel | known), notebooks / "01_dots.ipynb")
    home = [markdown("# Home\n[dots](01_dots.ipynb#width=2)"), code("from ntkviz import app\napp.Cards()")]
    nbformat.write(nbformat.v4.new_notebook(cells=home, metadata=kernel), notebooks / "00_home.ipynb")
