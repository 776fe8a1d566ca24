"""Small drawings for the cards of the home page, kept as files, so that the page is whole at once.

A chapter `02_ntk` has its drawing in `ntk.py`, a function `draw`, and its line in `THUMBNAILS`. `make thumbnails` draws
them all anew, in a minute, and writes `02_ntk.svg`.
"""

from collections.abc import Callable

from . import (
    batchnorm,
    cnn,
    figure_1,
    gaussian,
    gradient_independence,
    gru_lstm,
    mlp,
    ntk,
    playground,
    rnn,
    tensor_programs,
    training,
    transformer,
)

THUMBNAILS: dict[str, Callable[[], str]] = {
    "01_gaussian": gaussian.draw,
    "02_ntk": ntk.draw,
    "03_tensor_programs": tensor_programs.draw,
    "04_gradient_independence": gradient_independence.draw,
    "05_mlp": mlp.draw,
    "06_cnn": cnn.draw,
    "07_rnn": rnn.draw,
    "08_gru_lstm": gru_lstm.draw,
    "09_batchnorm": batchnorm.draw,
    "10_transformer": transformer.draw,
    "11_figure_1": figure_1.draw,
    "12_training": training.draw,
    "13_playground": playground.draw,
}
