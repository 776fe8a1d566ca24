"""The models of the gallery: which are programs, at which line the others leave the language, and what is repaired."""

import subprocess
import sys

import numpy as np
import pytest

import ntkviz as nv
from ntkviz.app import changed_lines
from ntkviz.gallery import MODELS, PUZZLES, GalleryModel

IMAGES = np.random.default_rng(0).normal(size=(3, 64))
OUTSIDE = {
    "Flax attention": "nn.MultiHeadDotProductAttention(num_heads=2)(y)",
    "Haiku gate": "jax.nn.softmax(",
    "Equinox GRU": "self.cell(row, state)",
    "a classifier": "nn.sigmoid(logit)",
    "a layer of unit size": "jnp.max(h",
    "a reader that counts positions": "jnp.sin(jnp.arange(4)",
    "a layer with a switch": "h[0]",
}
"""What stands in the line that leaves the language."""


@pytest.mark.parametrize("title", [*MODELS, *PUZZLES])
def test_models_are_refused_at_the_line_that_leaves_the_language_and_all_others_are_programs(title):
    model = (MODELS | PUZZLES)[title]
    if title not in OUTSIDE:
        assert model.refusal is None
        passes = nv.simple_gia_check(model.arch, model.inputs(IMAGES)).passes
        assert passes == (title != "JAX tied weights")
        assert any("learning rate" in note or "at the rate" in note for note in model.assumptions(3))
        return
    assert OUTSIDE[title] in model.text.splitlines()[model.refusal.line - 1]
    assert f"{model.source.split('/')[-1]}.py:{model.refusal.line}" in model.refusal.sentence
    assert not model.refusal.sentence.startswith("Instruction")


def test_repairs_change_few_lines_and_are_in_the_gallery():
    sources = {model.source: model for model in MODELS.values()}
    repaired = [model for model in MODELS.values() if model.repaired]
    assert {title for title in OUTSIDE if title in MODELS} == {t for t, model in MODELS.items() if model.repaired}
    for model in repaired:
        other = sources[model.repaired]
        assert other.takes == model.takes
        assert 1 <= len(changed_lines(model.text, other.text)) <= 6


def test_quarters_are_those_of_the_image():
    image = np.arange(64.0).reshape(1, 8, 8)
    quarters = GalleryModel("flax_transformer", "quarters").inputs(image.reshape(1, 64))
    np.testing.assert_array_equal(quarters[0, 1], image[0, :4, 4:].ravel())
    np.testing.assert_array_equal(quarters[0, 2], image[0, 4:, :4].ravel())


def test_a_light_kernel_needs_no_jax():
    check = "import sys; from ntkviz.gallery import MODELS; MODELS['Flax MLP'].arch; print('jax' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
