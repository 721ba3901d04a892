#!/usr/bin/env python3
"""Fits every approximation that the fill path of the `fanin` crate evaluates.

Prints Rust constants for crates/fanin/src/math/tables.rs:

* single precision: ln(1 + f), sin and cos of an eighth of a turn, the central and the tail
  part of the inverse normal distribution function;
* double precision: the two parts of the inverse normal distribution function (the other double
  precision functions use Taylor coefficients, which need no fit);
* the nodes and weights of 16-point Gauss-Legendre quadrature.

Minimax by Lawson's reweighting of a linearised least-squares problem, in 60 digits.

    python3 -m venv venv && venv/bin/pip install mpmath numpy
    venv/bin/python tools/fanin_fit_icdf.py > tables.rs
"""

import sys

import mpmath as mp
import numpy as np

mp.mp.dps = 60

CENTRAL_P = mp.mpf("0.48")  # the central part covers |Phi(z) - 1/2| <= 0.48, |z| <= 2.0537
CENTRAL_Y = mp.mpf(1) / 4 - CENTRAL_P**2
TAIL_S = (mp.mpf("2.75"), mp.mpf("9"), mp.mpf("40"))  # s = sqrt(-2 ln q)


def chebyshev(lo, hi, n):
    lo, hi = mp.mpf(lo), mp.mpf(hi)
    return [(lo + hi) / 2 - (hi - lo) / 2 * mp.cos(mp.pi * (2 * k + 1) / (2 * n)) for k in range(n)]


def fit(f, lo, hi, num, den, weight=lambda x, y: 1 / y, points=None, rounds=12):
    """Coefficients (ascending) of N, D with D(0) = 1, and the largest weighted error."""
    n = points or 6 * (num + den + 2)
    xs = chebyshev(lo, hi, n)
    ys = [f(x) for x in xs]
    ws = [weight(x, y) for x, y in zip(xs, ys)]
    lawson = [mp.mpf(1)] * n
    dens = [mp.mpf(1)] * n
    best = None
    for _ in range(rounds):
        rows = mp.matrix(n, num + 1 + den)
        rhs = mp.matrix(n, 1)
        for i, (x, y) in enumerate(zip(xs, ys)):
            g = mp.sqrt(lawson[i]) * ws[i] / dens[i]
            p = mp.mpf(1)
            for j in range(num + 1):
                rows[i, j] = g * p
                p *= x
            p = x
            for j in range(den):
                rows[i, num + 1 + j] = -g * y * p
                p *= x
            rhs[i] = g * y
        sol, _ = mp.qr_solve(rows, rhs)
        a = [sol[j] for j in range(num + 1)]
        b = [mp.mpf(1)] + [sol[num + 1 + j] for j in range(den)]
        errs = []
        for i, (x, y) in enumerate(zip(xs, ys)):
            d = mp.polyval(b[::-1], x)
            dens[i] = abs(d)
            errs.append(abs((mp.polyval(a[::-1], x) / d - y) * ws[i]))
        worst = max(errs)
        if best is None or worst < best[2]:
            best = (a, b, worst)
        total = mp.fsum(l * e for l, e in zip(lawson, errs))
        lawson = [l * e / total * n + mp.mpf(10) ** -8 for l, e in zip(lawson, errs)]
    return best


def emit32(name, doc, coefficients):
    print(f"/// {doc}")
    print(f"pub(crate) const {name}: [f32; {len(coefficients)}] = [")
    for c in coefficients:
        print(f"    {np.format_float_scientific(np.float32(float(c)), unique=True, trim='0')},")
    print("];\n")


def emit64(name, doc, coefficients):
    print(f"/// {doc}")
    print(f"pub(crate) const {name}: [f64; {len(coefficients)}] = [")
    for c in coefficients:
        print(f"    {float(c)!r},")
    print("];\n")


def say(text):
    print(text, file=sys.stderr)


def upper_tail(z):
    return mp.erfc(z / mp.sqrt(2)) / 2


def central(y):
    """z / P at q (1 - q) = y, with P = Phi(z) - 1/2 and q = 1/2 - |P|. In P^2 the fit would cancel near 1/2."""
    p = mp.sqrt(mp.mpf(1) / 4 - y)
    if p < mp.mpf(10) ** -20:
        return mp.sqrt(2 * mp.pi)
    return mp.sqrt(2) * mp.erfinv(2 * p) / p


def tail(s):
    """z with Q(z) = exp(-s^2 / 2)."""
    target = -s * s / 2
    z = s - (mp.log(s) + mp.mpf("0.92")) / s
    for _ in range(60):
        q = upper_tail(z)
        density = mp.exp(-z * z / 2) / mp.sqrt(2 * mp.pi)
        step = (mp.log(q) - target) * q / density
        z += step
        if abs(step) < mp.mpf(10) ** -50:
            break
    return z


def main():
    print("//! Coefficients, ascending. Written by tools/fanin_fit_icdf.py; they are part of the stream's")
    print("//! contract, so a better fit is a new stream.\n")

    half = mp.sqrt(mp.mpf(1) / 2)
    lo, hi = half - 1, 1 / half - 1

    def ln_rest(f):
        return (mp.log1p(f) - f + f * f / 2) / f**3 if f != 0 else mp.mpf(1) / 3

    a, _, e = fit(ln_rest, lo, hi, 7, 0, weight=lambda f, y: abs(f**3 / mp.log1p(f)))
    say(f"ln1p: relative error {mp.nstr(e, 3)}")
    emit32("LN", f"(ln(1+f) - f + f²/2) / f³ on [√½ - 1, √2 - 1]; ln(1+f) to {mp.nstr(e, 2)} relative.", a)

    quarter = mp.pi / 4

    def sin_of(x):
        r = mp.sqrt(x)
        return mp.sin(quarter * r) / r if x != 0 else quarter

    a, _, e = fit(sin_of, 0, 1, 4, 0)
    say(f"sin: relative error {mp.nstr(e, 3)}")
    emit32("SIN", f"sin(πa/4) / a in a², |a| <= 1; {mp.nstr(e, 2)} relative.", a)

    def cos_of(x):
        return (mp.cos(quarter * mp.sqrt(x)) - 1) / x if x != 0 else -quarter**2 / 2

    a, _, e = fit(cos_of, 0, 1, 3, 0, weight=lambda x, y: x / mp.cos(quarter * mp.sqrt(x)))
    say(f"cos: relative error {mp.nstr(e, 3)}")
    emit32("COS", f"(cos(πa/4) - 1) / a² in a², |a| <= 1; cos to {mp.nstr(e, 2)} relative.", a)

    # The f32 fits are of a correction to a leading term that is nearly exact, which keeps their rounding small.
    def central_rest(y):
        square = mp.mpf(1) / 4 - y
        if square < mp.mpf(10) ** -20:
            return mp.sqrt(2 * mp.pi) ** 3 / 6
        return (central(y) - mp.sqrt(2 * mp.pi)) / square

    for num, den in ((3, 3), (4, 3), (4, 4), (5, 4)):
        a, b, e = fit(central_rest, CENTRAL_Y, mp.mpf(1) / 4, num, den,
                      weight=lambda y, r: (mp.mpf(1) / 4 - y) / central(y))
        say(f"central32 {num}/{den}: relative error {mp.nstr(e, 3)}")
        if e < 3e-8:
            break
    emit32("CENTRAL_NUM", "(z/P - √(2π)) / P² in y = q(1-q), with P = Φ(z) - ½ and q = ½ - |P| >= 0.02; z to "
           f"{mp.nstr(e, 2)} relative. Numerator.", a)
    emit32("CENTRAL_DEN", "Denominator to [`CENTRAL_NUM`].", b)

    for num, den in ((2, 3), (3, 3), (3, 4), (4, 4), (4, 5)):
        a, b, e = fit(lambda s: s - tail(s), TAIL_S[0], TAIL_S[2], num, den, weight=lambda s, d: 1 / (s - d))
        say(f"tail32 {num}/{den}: relative error {mp.nstr(e, 3)}")
        if e < 3e-8:
            break
    emit32("TAIL_NUM", f"s - z in s = √(-2 ln q) on [2.75, 40]; z to {mp.nstr(e, 2)} relative. Numerator.", a)
    emit32("TAIL_DEN", "Denominator to [`TAIL_NUM`].", b)

    for n in (7, 8, 9, 10):
        a, b, e = fit(central, CENTRAL_Y, mp.mpf(1) / 4, n, n, points=140, rounds=4)
        say(f"central64 {n}/{n}: relative error {mp.nstr(e, 3)}")
        if e < 3e-17:
            break
    emit64("CENTRAL_NUM_F64", f"z / P in y = q(1-q), with P and q as for [`CENTRAL_NUM`]; {mp.nstr(e, 2)} relative. Numerator.", a)
    emit64("CENTRAL_DEN_F64", "Denominator to [`CENTRAL_NUM_F64`].", b)

    for which, (lo, hi) in (("NEAR", TAIL_S[:2]), ("FAR", TAIL_S[1:])):
        for n in (6, 7, 8, 9):
            a, b, e = fit(tail, lo, hi, n + 1, n, points=140, rounds=4)
            say(f"tail64 {which} {n + 1}/{n}: relative error {mp.nstr(e, 3)}")
            if e < 3e-17:
                break
        emit64(f"TAIL_{which}_NUM_F64", f"z in s on [{mp.nstr(lo, 3)}, {mp.nstr(hi, 3)}], {mp.nstr(e, 2)} relative. Numerator.", a)
        emit64(f"TAIL_{which}_DEN_F64", f"Denominator to [`TAIL_{which}_NUM_F64`].", b)

    nodes, weights = np.polynomial.legendre.leggauss(16)
    exact = []
    for x in nodes[8:]:
        root = mp.findroot(lambda t: mp.legendre(16, t), mp.mpf(float(x)))
        slope = 16 * (root * mp.legendre(16, root) - mp.legendre(15, root)) / (root * root - 1)
        exact.append((root, 2 / ((1 - root * root) * slope**2)))
    print("/// The positive nodes of 16-point Gauss-Legendre quadrature on [-1, 1], each with its weight.")
    print("pub(crate) const LEGENDRE: [(f64, f64); 8] = [")
    for x, w in exact:
        print(f"    ({float(x)!r}, {float(w)!r}),")
    print("];")


if __name__ == "__main__":
    main()
