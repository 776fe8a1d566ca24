"""E[f(x) g(y)] for smooth f and g by the trapezoidal rule in the plane, and √(E f² E g²)."""

import numpy as np

STEP = 1 / 16
Z = np.arange(-14 / STEP, 14 / STEP + 1) * STEP
WEIGHTS = np.exp(-(Z**2) / 2) * STEP / np.sqrt(2 * np.pi)


def expectation(f, g, kxx, kxy, kyy, mean_x, mean_y):
    """The expectation, for functions of arrays."""
    deviation = np.sqrt(kxx)
    x, slope = mean_x + deviation * Z, kxy / deviation
    y = mean_y + slope * Z[:, None] + np.sqrt(max(kyy - slope**2, 0.0)) * Z
    of_x, of_y = np.asarray(f(x)), np.asarray(g(y))
    value = (WEIGHTS * of_x) @ (of_y @ WEIGHTS)
    return value, np.sqrt((WEIGHTS @ of_x**2) * (WEIGHTS @ (of_y**2 @ WEIGHTS)))
