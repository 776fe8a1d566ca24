"""The models of the gallery: the source of each, the shape of its inputs, and why some are no tensor programs."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from importlib import import_module, resources
from typing import Any

import numpy as np

from ..distant.readings import read
from ..errors import TraceError
from ..language.architecture import Architecture, architecture
from ..language.network import Network

SOURCES = resources.files("ntkviz.gallery") / "sources"
SHAPES = {"vectors": (64,), "image": (1, 8, 8), "rows": (8, 8), "quarters": (4, 16)}
"""The ways in which a model takes an image of 8×8 pixels, with the shape of one input."""


@architecture
def of_source(net: Network, x: Any, *, source: str = "flax_mlp") -> Any:
    """The model of a file below `sources/`, as `nv.trace` writes it."""
    return import_module("ntkviz.gallery.traced").replayed(net, x, source)


@dataclass(frozen=True)
class Refusal:
    """Why a model is no tensor program.

    - `sentence`: what is wrong and what to do.
    - `line`: the line of its source that leaves the language, from 1.
    """

    sentence: str
    line: int


@dataclass(frozen=True)
class GalleryModel:
    """A model whose source is shown.

    - `source`: its file below `sources/`, without the suffix; the last definition there is a function of the width.
    - `takes`: the way in which it takes images, one of `SHAPES`.
    - `repaired`: the source of the model into which a refused one is repaired.
    - `twin`: the source of the same model in another library, by which one in PyTorch is computed.
    """

    source: str
    takes: str = "vectors"
    repaired: str = ""
    twin: str = ""

    @property
    def arch(self) -> Architecture:
        """The model as an architecture, which is traced where computations run."""
        return of_source(source=self._computed, parametrization="ntk4a")

    @functools.cached_property
    def text(self) -> str:
        """Its source."""
        return (SOURCES / f"{self.source}.py").read_text(encoding="utf-8")

    def inputs(self, images: np.ndarray) -> np.ndarray:
        """Images `(batch, 64)` in the shape that the model takes."""
        if self.takes == "quarters":
            images = images.reshape(-1, 2, 4, 2, 4).swapaxes(2, 3)
        return images.reshape(-1, *SHAPES[self.takes])

    def ntk(self, x: np.ndarray, *, width: int, key: int) -> np.ndarray:
        """The NTK `(batch, batch)` of the model itself, run as it is written, with random parameters."""
        return np.asarray(read("model_ntk", self._computed, x, width=width, key=key))

    def assumptions(self, batch: int) -> tuple[str, ...]:
        """What is assumed about the model when it is traced for a batch of this size, one sentence each."""
        found: tuple[str, ...] = read("assumptions", self._computed, (batch, *SHAPES[self.takes]))
        return found

    @functools.cached_property
    def refusal(self) -> Refusal | None:
        """Why the model is no tensor program; `None` if it is one.

        Raises:
            TraceError: It is refused for a reason that has no line, such as a library that is not installed.
        """
        try:
            self.arch.trace((np.ones((3, *SHAPES[self.takes])),))
        except TraceError as refusal:
            sentence = re.sub(r"^Instruction \d+ of \w+: ", "", str(refusal))
            line = re.search(rf"{self.source.rpartition('/')[2]}\.py:(\d+)", sentence)
            if line is None:
                raise
            return Refusal(sentence, int(line[1]))
        return None

    @property
    def _computed(self) -> str:
        return self.twin or self.source


MODELS = {
    "Flax MLP": GalleryModel("flax_mlp"),
    "Equinox CNN": GalleryModel("equinox_cnn", "image"),
    "nnx ResNet": GalleryModel("nnx_resnet"),
    "Haiku GRU": GalleryModel("haiku_gru", "rows"),
    "Flax Transformer": GalleryModel("flax_transformer", "quarters"),
    "JAX tied weights": GalleryModel("jax_tied"),
    "PyTorch MLP": GalleryModel("torch_mlp", twin="equinox_mlp"),
    "Flax attention": GalleryModel("flax_attention", "quarters", repaired="flax_attention_repaired"),
    "Haiku gate": GalleryModel("haiku_gate", repaired="haiku_gate_repaired"),
    "Equinox GRU": GalleryModel("equinox_gru", "rows", repaired="equinox_gru_repaired"),
    "repaired attention": GalleryModel("flax_attention_repaired", "quarters"),
    "repaired gate": GalleryModel("haiku_gate_repaired"),
    "repaired GRU": GalleryModel("equinox_gru_repaired", "rows"),
}
"""The models of the gallery by their titles."""

PUZZLES = {
    "a classifier": GalleryModel("puzzles/probability"),
    "a layer of unit size": GalleryModel("puzzles/largest"),
    "a reader that counts positions": GalleryModel("puzzles/positions", "quarters"),
    "a layer with a switch": GalleryModel("puzzles/switch"),
}
"""Models that leave the language in one line, for an exercise."""
