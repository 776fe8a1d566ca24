"""Networks of finite width, with real matrices: outputs, empirical NTK, training."""
