"""The limits of `benchmarks/infinite_against_numpy.py` by ntkviz, computed once per call."""

from worker import serve

import ntkviz as nv


def prepare(inputs, settings):
    """The architecture of the name in `settings`."""
    arch = getattr(nv.architectures, settings["network"])(**settings["hyper"], **settings.get("options", {}))

    def calculate():
        kernels = nv.infinite_ntk(arch, inputs["x1"], inputs["x2"])
        return {"nngp": kernels.nngp, "ntk": kernels.ntk}

    return calculate


if __name__ == "__main__":
    serve(prepare)
