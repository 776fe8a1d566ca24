"""The library: one short function per family, written in the language alone."""

from .attention import attention
from .autoencoder import tied_autoencoder
from .blocks import from_blocks as from_blocks  # a kit, not a family: it has no row in the tables of the library
from .cnn import cnn
from .gated import gru, lstm
from .gcn import gcn
from .mlp import mlp
from .normalized import batchnorm_mlp, layernorm_mlp
from .outside_gia import mean_readout_mlp, tied_readout
from .resnet import resnet
from .rnn import rnn
from .transformer import transformer

__all__ = [
    "attention",
    "batchnorm_mlp",
    "cnn",
    "gcn",
    "gru",
    "layernorm_mlp",
    "lstm",
    "mean_readout_mlp",
    "mlp",
    "resnet",
    "rnn",
    "tied_autoencoder",
    "tied_readout",
    "transformer",
]
