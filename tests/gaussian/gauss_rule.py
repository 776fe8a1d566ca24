"""The coefficients of `ntkviz.gaussian.arctangent`, by Gauss's rule in sixty digits.

.venv/bin/python tests/gaussian/gauss_rule.py
"""

import functools

from mpmath import mp

TERMS = 8


def rule():
    """m, and the nodes zₖ and weights of ∫₀¹ p(z) dx / (1 + m x²), z = x² / (1 + m x²), exact for degrees below 16."""
    m = mp.sqrt(2) - 1
    end = mp.atan(mp.sqrt(m))  # with √m x = tan θ the integral is over θ, and z = sin² θ / m
    moments = [mp.quad(lambda t, k=k: (mp.sin(t) ** 2 / m) ** k, [0, end]) / mp.sqrt(m) for k in range(2 * TERMS)]
    hankel = mp.matrix(TERMS, TERMS)
    for i in range(TERMS):
        for j in range(TERMS):
            hankel[i, j] = moments[i + j]
    orthogonal = [*mp.lu_solve(hankel, -mp.matrix(moments[TERMS:])), mp.mpf(1)]  # to all lower degrees
    nodes = [mp.re(z) for z in mp.polyroots(orthogonal, maxsteps=500, extraprec=400, asc=True)]
    powers = mp.matrix([[z**k for z in nodes] for k in range(TERMS)])
    return m, nodes, list(mp.lu_solve(powers, mp.matrix(moments[:TERMS])))


def product(factors):
    """The coefficients, lowest first, of a product of polynomials of degree 1."""

    def times(p, factor):
        low, high = factor
        return [low * a + high * b for a, b in zip([*p, 0], [0, *p], strict=True)]

    return functools.reduce(times, factors, [mp.mpf(1)])


def coefficients():
    """Of ∫ x² / (1 + w x²) dx and ∫ (x² + x⁴) / (1 + w x²) dx: the numerators' and the denominator's coefficients."""
    with mp.workdps(60):
        m, nodes, weights = rule()
        factors = [(1 - m * z, z) for z in nodes]  # 1 + (w − m) zₖ
        squares = [z / (1 - m * z) for z in nodes]  # xₖ²
        denominator = product(factors)

        def numerator(f):
            others = [product(factors[:k] + factors[k + 1 :]) for k in range(TERMS)]
            parts = zip(weights, squares, others, strict=True)
            return [sum(column) for column in zip(*([c * f(s) * p for p in q] for c, s, q in parts), strict=True)]

        quotients = numerator(lambda s: s), numerator(lambda s: s + s**2), denominator
        return [[float(c / denominator[0]) for c in q] for q in quotients]


if __name__ == "__main__":
    for quotient in coefficients():
        print(quotient)
