"""Views: each shows its plots and controls and no others, and nothing old in a plot that comes back."""

import pytest

from ntkviz.app import Choice, Controls, Picture, Plot, Slider, View, upstream
from ntkviz.app.pages.views import HIDDEN, LOW_PLOTS


class Told(Plot):
    """A plot that says what it is told."""

    def show(self, text):
        with self.drawing():
            pass
        self.say(text)

    def table(self):
        yield ("said",)
        yield (self._said,)


@pytest.fixture
def picture():
    controls = Controls(
        view=Choice("show", ["one", "both"], "one"),
        **{f"c{k}": Slider(f"c{k}", 0, 9, start=1) for k in range(6)},
    )
    first, second = Told("first"), Told("second")

    def at_once(c):
        for plot in (first, second):
            if c.view == "both" or plot is first:
                plot.show(str(c.c0))

    views = {"one": View([first], ["c1", "c2"], "nv-narrow"), "both": View([first, second])}
    return Picture(controls, [first, second], at_once=at_once, views=views)


def hidden(widgets):
    return [HIDDEN in upstream.css_classes(widget) for widget in widgets]


def test_a_view_shows_its_plots_controls_and_layout(picture):
    figures, controls = picture.widget.children[2], picture.controls.widget
    assert hidden(figures.children) == [False, True]
    assert hidden(controls.children) == [False, False, True, True, False, False, False]
    assert "nv-narrow" in upstream.css_classes(figures)
    assert LOW_PLOTS not in upstream.css_classes(figures)
    picture._on_tool({"link": "view=both&c0=7"})
    assert not any(hidden([*figures.children, *controls.children]))
    assert "nv-narrow" not in upstream.css_classes(figures)
    assert LOW_PLOTS in upstream.css_classes(figures)  # seven controls
    assert [panel.reading.value.strip() for panel in picture.panels] == ["7", "7"]


def test_a_plot_that_was_elsewhere_shows_nothing_old_when_it_comes_back(picture):
    picture._on_tool({"link": "view=both&c0=7"})
    picture._on_tool({"link": "view=one&c0=3"})
    assert [panel.name for panel in picture.panels] == ["first"]
    picture._on_tool({"link": "view=both&c0=3"})
    assert [panel.reading.value.strip() for panel in picture.panels] == ["3", "3"]
    assert not any(panel.outdated for panel in picture.panels)
