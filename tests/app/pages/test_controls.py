"""Controls: their state survives the round trip through a link; an invalid link is refused in one sentence."""

import pytest

from ntkviz.app import Choice, Controls, Slider, Stops


@pytest.fixture
def controls():
    return Controls(
        width=Stops("width", [64, 128, 256], start=128),
        depth=Slider("depth", 1, 10, start=3),
        sigma=Slider("σ", 0.5, 2.5, start=1.5, step=0.05),
        phi=Choice("φ", ["relu", "erf"], start="relu"),
    )


def test_link_round_trip(controls):
    controls.set(width=256, depth=7, sigma=0.75, phi="erf")
    link = controls.to_link()
    controls.reset()
    assert (controls.width, controls.depth, controls.sigma, controls.phi) == (128, 3, 1.5, "relu")
    assert controls.from_link(link) is None
    assert (controls.width, controls.depth, controls.sigma, controls.phi) == (256, 7, 0.75, "erf")


def test_every_step_of_a_slider_is_a_short_number_that_a_link_restores():
    controls = Controls(
        start=Slider("similarity", 0.0, 0.99, start=0.9, step=0.01),
        noise=Slider("noise", -1.0, 3.0, start=1.0, step=0.05),
        networks=Slider("networks", 10, 80, start=40, step=10),
    )
    slider = controls._controls["start"].widget
    for step in range(100):
        slider.value = step * 0.01  # as a browser says it: 0.07 is 0.07000000000000001
        assert controls.start == float(f"{step / 100:.2f}")
        state = controls.to_link()
        assert state == f"start={step / 100}&noise=1.0&networks=40"
        assert controls.from_link(state) is None
        assert controls.to_link() == state


@pytest.mark.parametrize(
    ("link", "value"),
    [("sigma=1.27", 1.25), ("sigma=1.28", 1.3), ("sigma=0.9000000000000001", 0.9), ("sigma=2.4999", 2.5)],
)
def test_a_value_between_two_steps_is_rounded_to_the_nearest(controls, link, value):
    assert controls.from_link(link) is None
    assert controls.sigma == controls._controls["sigma"].widget.value == value
    assert f"sigma={value}" in controls.to_link()
    controls.set(sigma=float(link.partition("=")[2]))
    assert controls._controls["sigma"].widget.value == value


@pytest.mark.parametrize(
    "link",
    [
        "width=0",
        "width=100",
        "depth=11",
        "depth=2.5",
        "depth=",
        "sigma=-1",
        "sigma=nan",
        "sigma=inf",
        "phi=evil",
        "x=1",
    ],
)
def test_an_invalid_setting_is_refused_and_the_initial_value_kept(controls, link):
    message = controls.from_link(f"{link}&depth=4" if not link.startswith("depth") else link)
    name, value = link.split("=")
    assert message.count(".") <= 3
    assert name in message
    assert value in message or name == "x"
    assert (controls.width, controls.sigma, controls.phi) == (128, 1.5, "relu")
    assert controls.depth == (3 if name == "depth" else 4)


def test_each_move_is_reported_once_and_a_reset_not_at_all(controls):
    moves = []
    controls.observe(lambda: moves.append(controls.to_link()))
    controls._controls["depth"].widget.value = 5
    controls.reset()
    assert len(moves) == 1
    assert "depth=5" in moves[0]


def test_unknown_control_is_an_attribute_error(controls):
    with pytest.raises(AttributeError):
        _ = controls.nothing


def test_the_end_of_a_slider_follows_another_control():
    ends = {"short": 5, "long": 30}
    controls = Controls(
        program=Choice("program", list(ends), start="long"),
        line=Slider("line", 1, 30, start=8, end=lambda c: ends[c.program]),
    )
    slider, moves = controls._controls["line"].widget, []
    controls.observe(lambda: moves.append(controls.line))
    controls.move(line=20)
    controls.move(program="short")
    assert moves == [20, 5]
    assert slider.max == 5
    assert controls.from_link("program=long&line=25") is None
    assert (controls.line, slider.max) == (25, 30)
    assert "line" in controls.from_link("line=31")
    assert controls.from_link("line=25&program=short") is None
    assert controls.line == 5
    controls.reset()
    assert (controls.line, slider.max) == (8, 30)


def test_a_rounding_error_in_a_value_from_the_browser_is_not_a_move():
    controls, moves = Controls(start=Slider("start", -1.0, 1.0, start=0.7, step=0.1)), []
    controls.observe(lambda: moves.append(controls.start))
    controls._controls["start"].widget.value = 0.7000000000000002
    assert moves == []
    controls._controls["start"].widget.value = 0.8
    assert moves == [0.8]
