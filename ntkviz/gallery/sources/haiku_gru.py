import haiku as hk


def reader(width):
    def forward(rows):  # (batch, 8, 8)
        gru = hk.GRU(width)
        start = gru.initial_state(len(rows))
        states, _ = hk.dynamic_unroll(gru, rows, start, time_major=False)
        return hk.Linear(1, with_bias=False)(states[:, -1])

    return hk.transform(forward)
