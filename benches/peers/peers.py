"""The stochastic gradient flow of a two-layer linear network, batched, as one would write it with
NumPy, PyTorch, JAX and diffrax, and one PyTorch module with autograd.

Every peer integrates dW1 = dG W2', dW2 = W1' dG, dG = (S_xy - S W1 W2) dt + sqrt(nu) S^(1/2) dB by
Euler-Maruyama in double precision and returns the excess loss of every trajectory at the end.
"""

import os

THREADS = os.environ.get("PEER_THREADS", str(os.cpu_count() or 1))
os.environ.setdefault("OMP_NUM_THREADS", THREADS)

import numpy as np


class Problem:
    """Moments, start and root of one setting; shapes p x p, p x k, p x l and l x k."""

    def __init__(self, path):
        arrays = np.load(path)
        self.sxx, self.sxy = arrays["sxx"], arrays["sxy"]
        self.w1, self.w2 = arrays["w1"], arrays["w2"]
        self.rows_x, self.rows_y = arrays["x"], arrays["y"]
        self.nu, self.h = float(arrays["nu"]), float(arrays["h"])
        values, vectors = np.linalg.eigh(self.sxx)
        self.root = vectors * np.sqrt(np.maximum(values, 0.0))
        self.optimum = np.linalg.lstsq(self.sxx, self.sxy, rcond=None)[0]

    def excess_loss(self, w1, w2):
        error = w1 @ w2 - self.optimum
        return 0.5 * np.einsum("...ab,ac,...cb->...", error, self.sxx, error)


def numpy_batched(problem, trajectories, steps, seed):
    rng = np.random.default_rng(seed)
    w1 = np.repeat(problem.w1[None], trajectories, axis=0)
    w2 = np.repeat(problem.w2[None], trajectories, axis=0)
    scale = np.sqrt(problem.nu * problem.h)
    shape = (trajectories, *problem.sxy.shape)
    for _ in range(steps):
        noise = problem.root @ rng.standard_normal(shape)
        g = problem.h * (problem.sxy - problem.sxx @ (w1 @ w2)) + scale * noise
        w1, w2 = w1 + g @ w2.transpose(0, 2, 1), w2 + w1.transpose(0, 2, 1) @ g
    return problem.excess_loss(w1, w2)


def torch_batched(problem, trajectories, steps, seed):
    import torch

    torch.set_num_threads(int(THREADS))
    torch.manual_seed(seed)
    tensor = lambda a: torch.from_numpy(np.ascontiguousarray(a))
    sxx, sxy, root = map(tensor, (problem.sxx, problem.sxy, problem.root))
    w1 = tensor(problem.w1).expand(trajectories, -1, -1).contiguous()
    w2 = tensor(problem.w2).expand(trajectories, -1, -1).contiguous()
    scale = float(np.sqrt(problem.nu * problem.h))
    with torch.inference_mode():
        for _ in range(steps):
            z = torch.randn(trajectories, *sxy.shape, dtype=torch.float64)
            g = problem.h * (sxy - sxx @ (w1 @ w2)) + scale * (root @ z)
            w1, w2 = w1 + g @ w2.mT, w2 + w1.mT @ g
    return problem.excess_loss(w1.numpy(), w2.numpy())


_COMPILED = {}


def jax_batched(problem, trajectories, steps, seed):
    import jax
    import jax.numpy as jnp

    jax.config.update("jax_enable_x64", True)
    sxx, sxy, root = map(jnp.asarray, (problem.sxx, problem.sxy, problem.root))
    h, scale = problem.h, float(np.sqrt(problem.nu * problem.h))

    def run(key, w1, w2):
        def step(weights, key):
            w1, w2 = weights
            z = jax.random.normal(key, (trajectories, *sxy.shape), dtype=jnp.float64)
            g = h * (sxy - sxx @ (w1 @ w2)) + scale * (root @ z)
            return (w1 + g @ w2.mT, w2 + w1.mT @ g), None

        weights, _ = jax.lax.scan(step, (w1, w2), jax.random.split(key, steps))
        return weights

    place = ("jax", problem.sxy.shape, problem.w1.shape, trajectories, steps)
    compiled = _COMPILED.setdefault(place, jax.jit(run))
    repeat = lambda w: jnp.broadcast_to(jnp.asarray(w), (trajectories, *w.shape))
    w1, w2 = compiled(jax.random.key(seed), repeat(problem.w1), repeat(problem.w2))
    return problem.excess_loss(np.asarray(w1), np.asarray(w2))


def diffrax_batched(problem, trajectories, steps, seed):
    import diffrax
    import jax
    import lineax
    import jax.numpy as jnp

    jax.config.update("jax_enable_x64", True)
    sxx, sxy, root = map(jnp.asarray, (problem.sxx, problem.sxy, problem.root))
    (p, k), width = problem.sxy.shape, problem.w1.shape[1]
    scale = float(np.sqrt(problem.nu))

    def act(g, weights):
        w1, w2 = weights
        return g @ w2.T, w1.T @ g

    def drift(t, weights, args):
        return act(sxy - sxx @ (weights[0] @ weights[1]), weights)

    def diffusion(t, weights, args):
        apply = lambda b: act(scale * (root @ b), weights)
        return lineax.FunctionLinearOperator(apply, jax.ShapeDtypeStruct((p, k), jnp.float64))

    end = steps * problem.h

    def one(key):
        path = diffrax.UnsafeBrownianPath(shape=jax.ShapeDtypeStruct((p, k), jnp.float64), key=key)
        terms = diffrax.MultiTerm(diffrax.ODETerm(drift), diffrax.ControlTerm(diffusion, path))
        start = (jnp.asarray(problem.w1), jnp.asarray(problem.w2))
        solution = diffrax.diffeqsolve(
            terms,
            diffrax.Euler(),
            0.0,
            end,
            problem.h,
            start,
            max_steps=steps + 2,
            adjoint=diffrax.ForwardMode(),
            throw=False,
        )
        return solution.ys[0][-1], solution.ys[1][-1]

    place = ("diffrax", p, k, width, trajectories, steps)
    compiled = _COMPILED.setdefault(place, jax.jit(jax.vmap(one)))
    w1, w2 = compiled(jax.random.split(jax.random.key(seed), trajectories))
    return problem.excess_loss(np.asarray(w1), np.asarray(w2))


def torch_module(problem, trajectories, steps, seed):
    """Label-noise SGD of one network with autograd, b = 1, as most people would write it."""
    import torch
    from torch import nn

    torch.set_num_threads(int(THREADS))
    torch.manual_seed(seed)
    width = problem.w1.shape[1]
    x, y = torch.from_numpy(problem.rows_x), torch.from_numpy(problem.rows_y)
    losses = []
    for _ in range(trajectories):
        model = nn.Sequential(
            nn.Linear(x.shape[1], width, bias=False), nn.Linear(width, y.shape[1], bias=False)
        ).double()
        with torch.no_grad():
            model[0].weight.copy_(torch.from_numpy(problem.w1.T))
            model[1].weight.copy_(torch.from_numpy(problem.w2.T))
        optimizer = torch.optim.SGD(model.parameters(), lr=problem.h)
        deviation = float(np.sqrt(problem.nu / problem.h))
        for _ in range(steps):
            row = torch.randint(len(x), (1,))
            label = y[row] + deviation * torch.randn(1, y.shape[1], dtype=torch.float64)
            optimizer.zero_grad()
            loss = 0.5 * (model(x[row]) - label).square().sum()
            loss.backward()
            optimizer.step()
        w1 = model[0].weight.detach().numpy().T
        w2 = model[1].weight.detach().numpy().T
        losses.append(problem.excess_loss(w1, w2))
    return np.array(losses)


PEERS = {
    "NumPy, batched": numpy_batched,
    "PyTorch, batched": torch_batched,
    "JAX, batched and jitted": jax_batched,
    "diffrax": diffrax_batched,
}
