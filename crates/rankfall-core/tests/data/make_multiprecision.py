"""Writes multiprecision.json: split Lie-Euler steps and spectra of graded factors.

Needs mpmath (gmpy2 makes it faster). Inputs are exact doubles; outputs carry 20 digits.
"""

import json
import random
from pathlib import Path

from mpmath import mp, matrix, exp, expm, log, svd_r, mpf

HERE = Path(__file__).parent


def rows(m):
    return [[mp.nstr(m[i, j], 20) for j in range(m.cols)] for i in range(m.rows)]


def from_rows(values):
    return matrix([[mpf(x) for x in row] for row in values])


def off_diagonal(g):
    p, k = g.rows, g.cols
    h = matrix(p + k, p + k)
    for a in range(p):
        for b in range(k):
            h[a, p + b] = h[p + b, a] = g[a, b]
    return h


def split_step(s, w1, w2, g, nu, h):
    p, k = w1.rows, w2.cols
    theta = matrix(p + k, w1.cols)
    for j in range(w1.cols):
        for a in range(p):
            theta[a, j] = w1[a, j]
        for b in range(k):
            theta[p + b, j] = w2[j, b]
    c = matrix(p + k, p + k)
    for a in range(p):
        for other in range(p):
            c[a, other] = k * s[a, other]
    for b in range(k):
        c[p + b, p + b] = sum(s[a, a] for a in range(p))
    out = expm(off_diagonal(g)) * (expm(-h * nu / 2 * c) * theta)
    new_w1 = matrix(p, w1.cols)
    new_w2 = matrix(w1.cols, k)
    for j in range(w1.cols):
        for a in range(p):
            new_w1[a, j] = out[a, j]
        for b in range(k):
            new_w2[j, b] = out[p + b, j]
    return {"W1": rows(new_w1), "W2": rows(new_w2)}


def random_matrix(rng, m, n, digits=3):
    return [[f"{rng.gauss(0, 1):.{digits}f}" for _ in range(n)] for _ in range(m)]


def steps():
    mp.dps = 50
    cases = []
    for case in json.loads((HERE / "reference.json").read_text())["steps"]:
        cases.append({key: case[key] for key in ["nu", "h", "S_xx", "S_xy", "W1", "W2", "dG_total"]})
    rng = random.Random(5)
    for p, k, l, size in [(2, 4, 7, 0.2), (3, 3, 6, 3.0), (1, 1, 2, 0.05), (4, 2, 9, 12.0)]:
        x = from_rows(random_matrix(rng, p, 3 * p))
        s = x * x.T / (3 * p)
        g = from_rows(random_matrix(rng, p, k)) * size
        cases.append({
            "nu": "0.25", "h": "0.05",
            "S_xx": [[mp.nstr(s[i, j], 15) for j in range(p)] for i in range(p)],
            "S_xy": random_matrix(rng, p, k),
            "W1": random_matrix(rng, p, l), "W2": random_matrix(rng, l, k),
            "dG_total": [[mp.nstr(g[i, j], 15) for j in range(k)] for i in range(p)],
        })
    for case in cases:
        case["split"] = split_step(
            from_rows(case["S_xx"]), from_rows(case["W1"]), from_rows(case["W2"]),
            from_rows(case["dG_total"]), mpf(case["nu"]), mpf(case["h"]))
    return cases


def log_singular_values(a, count):
    values = sorted(svd_r(a if a.rows >= a.cols else a.T, compute_uv=False), reverse=True)
    return [mp.nstr(log(v), 20) for v in values[:count]]


def graded_case(rng, p, k, m, gaps):
    exponents = [0]
    for _ in range(m - 1):
        exponents.append(exponents[-1] - rng.choice(gaps))
    mp.dps = 60 + int(0.7 * -exponents[-1])
    mantissa = [[rng.gauss(0, 1) for _ in range(m)] for _ in range(p + k)]
    theta = matrix(p + k, m)
    for i in range(p + k):
        for j in range(m):
            theta[i, j] = mpf(mantissa[i][j]) * mpf(2) ** exponents[j]
    w1, w2t = theta[:p, :], theta[p:, :]
    return {
        "p": p, "k": k, "mantissa": mantissa, "exponent": exponents,
        "theta": log_singular_values(theta, m),
        "w1": log_singular_values(w1, min(p, m)),
        "w2": log_singular_values(w2t, min(k, m)),
        "product": log_singular_values(w1 * w2t.T, min(p, k, m)),
    }


def graded():
    rng = random.Random(7)
    shapes = [(5, 2, 7), (2, 4, 6), (3, 3, 6), (4, 3, 3), (1, 1, 2), (6, 1, 4)]
    cases = []
    for gaps in [[0, 1, 2], [0, 5, 30], [3, 200], [700]]:
        for shape in shapes:
            for _ in range(4 if gaps[-1] < 500 else 1):
                cases.append(graded_case(rng, *shape, gaps))
    return cases


if __name__ == "__main__":
    out = {"steps": steps(), "graded": graded()}
    (HERE / "multiprecision.json").write_text(json.dumps(out, indent=0))
