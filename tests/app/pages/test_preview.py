"""The preview of a picture: what a page of the dashboard shows until the widgets are there."""

import base64
import json

import numpy as np
import pytest

from ntkviz.app import Choice, Controls, Picture, SideBySideKernels, Slider, Stops
from ntkviz.app.pages.preview import MIME, preview
from ntkviz.app.style.theme import PAGE_HAS_PLOTLY


@pytest.fixture
def picture():
    controls = Controls(
        sigma=Slider("σ<i>w</i>", 0.0, 2.0, start=1.5, step=0.1),
        depth=Slider("depth", 1, 9, start=3),
        width=Stops("width", [64, 1024], start=1024),
        phi=Choice("φ", ["a<b", "c"], start="a<b"),
    )
    pair = SideBySideKernels("left", "right", np.zeros((2, 8, 8)))

    def at_once(controls):
        pair.show(left=np.eye(2), right=[[1.0, controls.sigma], [controls.sigma, np.nan]])
        pair.say("look <b>here</b>")

    return Picture(controls, [pair], at_once=at_once, as_it_comes=lambda controls: iter(()), layout="nv-two-to-one")


def test_a_notebook_outside_the_dashboard_has_no_preview(picture, monkeypatch):
    monkeypatch.delenv(PAGE_HAS_PLOTLY, raising=False)
    assert set(picture._repr_mimebundle_()) == {"application/vnd.jupyter.widget-view+json", "text/plain"}


def test_a_preview_has_the_controls_texts_and_plots(picture, monkeypatch):
    monkeypatch.setenv(PAGE_HAS_PLOTLY, "yes")
    shown = picture._repr_mimebundle_()
    assert "application/vnd.jupyter.widget-view+json" in shown
    brought = json.loads(json.dumps(shown[MIME], allow_nan=False))  # as the page reads it, where NaN is no JSON
    html = brought["html"]
    for text in ("σ<i>w</i>", ">1.50<", ">depth<", ">3<", ">1,024<", "<option>a&lt;b<", "look <b>here</b>"):
        assert text in html
    assert html.count("nv-preview-figure") == len(brought["figures"]) == 1
    assert 'class="nv-figures nv-two-to-one"' in html
    assert "Cancel" not in html  # no button that cannot be pressed yet
    [figure] = brought["figures"]
    kernel = np.frombuffer(base64.b64decode(figure["data"][5]["z"]["bdata"]))  # which plotly.js reads itself
    np.testing.assert_array_equal(kernel, [1.0, 1.5, 1.5, np.nan])
    assert figure["layout"]["annotations"][0]["text"] == "left"
    assert figure["config"]["displaylogo"] is False


def test_a_preview_names_its_settings(picture, monkeypatch):
    monkeypatch.setenv(PAGE_HAS_PLOTLY, "yes")
    picture.controls.set(sigma=0.5)
    picture.refresh()
    assert preview(picture.widget, picture.controls.to_link())[MIME]["state"] == picture.controls.to_link()
    assert "sigma=0.5" in picture._repr_mimebundle_()[MIME]["state"]


def test_a_refusal_is_shown_and_an_empty_one_hidden(picture, monkeypatch):
    monkeypatch.setenv(PAGE_HAS_PLOTLY, "yes")
    assert '<div class="nv-error widget-html" style="display: none">' in preview(picture.widget, "")[MIME]["html"]
    picture._show_error("σ is negative")
    html = preview(picture.widget, "")[MIME]["html"]
    assert "σ is negative" in html
    assert "display: none" not in html
