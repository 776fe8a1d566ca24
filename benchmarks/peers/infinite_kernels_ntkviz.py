"""The NNGP and NTK of `benchmarks/infinite_kernels.py` by ntkviz, computed once per call."""

from worker import serve

import ntkviz as nv

HYPER = {"sigma_w": 1.5, "sigma_b": 0.1, "sigma_v": 1.2}


def prepare(inputs, settings):
    """`settings`: the name of an architecture, and its hyper-parameters except those that all networks here share."""
    arch = getattr(nv.architectures, settings["network"])(**settings["hyper"], **HYPER)

    def calculate():
        kernels = nv.infinite_ntk(arch, inputs["x"])
        return {"nngp": kernels.nngp, "ntk": kernels.ntk}

    return calculate


if __name__ == "__main__":
    serve(prepare)
