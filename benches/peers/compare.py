"""Side by side: trajectory-steps per second of rankfall and of its peers on the same problem.

    python3 -m venv peers && peers/bin/pip install numpy torch jax diffrax .
    cargo build --release
    peers/bin/python benches/peers/compare.py

One round runs everything once, in turn; ratios are taken round by round, so that a machine that is
slow for a while is slow for all. Where the package is installed, the same run from Python counts by the
whole call, until its results are arrays. Peers that are not installed are left out. A statistical check compares what was computed: the mean excess loss
at the end, with the false-alarm rate stated.
"""

import argparse
import importlib.util
import json
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import peers

ROOT = pathlib.Path(__file__).resolve().parents[2]
RANKFALL = ROOT / "target" / "release" / "rankfall"
RUST_PEER = ROOT / "benches" / "peers" / "rust"

# inputs, outputs, width, trajectories of the peers, of rankfall, and their steps.
SIZES = {
    "small": (5, 2, 10, 4096, 16384, 200, 5000),
    "middle": (20, 5, 50, 1024, 4096, 50, 1000),
    "digits": (64, 10, 128, 64, 128, 50, 2000),
    "large": (784, 10, 1024, 2, 2, 20, 2000),
}

# Of fewer trajectories than this a standard error says nothing.
FEWEST_COMPARED = 16

INTEGRATORS = ["euler-maruyama", "lie-euler"]

# What each peer needs.
NEEDS = {"PyTorch, batched": "torch", "JAX, batched and jitted": "jax", "diffrax": "diffrax"}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--sizes", default="small,digits", help="of " + ", ".join(SIZES))
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    if "small" in arguments.sizes.split(","):
        build_rust_peer()
    results = [compare(name, arguments.rounds) for name in arguments.sizes.split(",")]
    if arguments.json:
        print(json.dumps(results, indent=1))
    else:
        for result in results:
            print(table(result))


def compare(name, rounds):
    p, k, width, peer_paths, own_paths, peer_steps, own_steps = SIZES[name]
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        problem = draw(folder, p, k, width)
        rates = {}
        losses = {}
        for number in range(-1, rounds):  # The first round warms up and is not counted.
            for integrator in INTEGRATORS:
                rate, loss = rankfall(folder, integrator, own_paths, own_steps, peer_steps)
                note(rates, losses, f"rankfall, {integrator}", rate, loss, number)
            if installed("rankfall"):
                rate, loss = rankfall_from_python(problem, own_paths, own_steps, peer_steps)
                note(rates, losses, "rankfall from Python", rate, loss, number)
            for peer, run in peers.PEERS.items():
                if not installed(NEEDS.get(peer, "numpy")):
                    continue
                clock = time.perf_counter()
                loss = run(problem, peer_paths, peer_steps, 1 + number)
                seconds = time.perf_counter() - clock
                note(rates, losses, peer, peer_paths * peer_steps / seconds, mean_and_error(loss), number)
            if name == "small":
                clock = time.perf_counter()
                loss = rust_peer(folder, problem, peer_paths, peer_steps, 1 + number)
                seconds = time.perf_counter() - clock
                rate = peer_paths * peer_steps / seconds
                note(rates, losses, "differential-equations (Rust)", rate, mean_and_error(loss), number)
                if installed("torch"):
                    clock = time.perf_counter()
                    peers.torch_module(problem, 1, 2000, 1 + number)
                    seconds = time.perf_counter() - clock
                    note(rates, losses, "PyTorch module, autograd, one run", 2000 / seconds, None, number)
    loss = agreement(losses) if peer_paths >= FEWEST_COMPARED else {}
    return {"size": name, "p": p, "k": k, "width": width, "rates": rates, "loss": loss}


def note(rates, losses, name, rate, loss, number):
    """Keeps a rate, and a mean excess loss with its standard error."""
    if number < 0:
        return
    rates.setdefault(name, []).append(rate)
    # Lie-Euler has another bias at the same step: its loss is not that of the others.
    if loss is not None and "lie-euler" not in name:
        losses.setdefault(name, []).append(loss)


def mean_and_error(loss):
    return np.mean(loss), np.std(loss, ddof=1) / np.sqrt(len(loss))


def draw(folder, p, k, width):
    """One problem for all: Gaussian rows, a teacher, and weights small enough for h to be stable."""
    rng = np.random.default_rng(1)
    n = max(1000, 2 * p)
    x = rng.standard_normal((n, p))
    y = x @ (rng.standard_normal((p, k)) / np.sqrt(p))
    h = 0.01 * min(1.0, 20.0 / (p + k))
    w1 = rng.standard_normal((p, width)) / np.sqrt(width)
    w2 = rng.standard_normal((width, k)) / np.sqrt(width)
    gram = {"sxx": x.T @ x / n, "sxy": x.T @ y / n, "syy": y.T @ y / n, "n": n}
    np.savez(folder / "gram.npz", **gram)
    np.savez(folder / "start.npz", w1=w1, w2=w2)
    everything = dict(gram, w1=w1, w2=w2, x=x, y=y, nu=2 * h, h=h)
    np.savez(folder / "problem.npz", **everything)
    return peers.Problem(folder / "problem.npz")


def rankfall(folder, integrator, paths, steps, peer_steps):
    """The rate of a run of `steps` steps, and the losses of a shorter one at the peers' end."""
    problem = peers.Problem(folder / "problem.npz")
    p, width = problem.w1.shape

    def run(trajectories, count):
        text = f"""
name = "compare"
[data]
kind = "gram"
path = "{folder}/gram.npz"
[network]
width = {width}
init = {{ kind = "file", path = "{folder}/start.safetensors" }}
[[dynamics]]
kind = "stochastic-gradient-flow"
step_size = {problem.h!r}
label_noise = 2.0
integrator = "{integrator}"
[run]
time = {count * problem.h!r}
trajectories = {trajectories}
save = {{ points = 1 }}
"""
        write_start(folder, problem)
        (folder / "compare.toml").write_text(text)
        out = folder / "run"
        command = [RANKFALL, "run", folder / "compare.toml", "--out", out, "--force", "--json", "-q"]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        return json.loads(done.stdout)["dynamics"][0]

    whole = run(paths, steps)
    rate = whole["trajectory_steps_per_second"]
    if p > 100:
        # Per step: two sets of spectra and the start, which peers do not have, taken off.
        start = run(paths, 1)
        rate = paths * (steps - 1) / (whole["seconds"] - start["seconds"])
    count = min(paths, 1024)
    short = run(count, peer_steps)["excess_loss"]
    return rate, (short["final_mean"], short["final_std"] / np.sqrt(count))


def rankfall_from_python(problem, paths, steps, peer_steps):
    """The rate of a run of `steps` steps by the clock of the caller, and the losses of a shorter one."""
    import rankfall as rf

    def run(trajectories, count):
        n, syy = len(problem.rows_x), problem.rows_y.T @ problem.rows_y / len(problem.rows_x)
        noise = problem.nu / problem.h
        flow = rf.StochasticGradientFlow(step_size=problem.h, label_noise=noise, integrator="euler-maruyama")
        experiment = rf.Experiment(
            data=rf.Gram(problem.sxx, problem.sxy, syy, n=n),
            network=rf.TwoLayer(width=problem.w1.shape[1], init=(problem.w1, problem.w2)),
            dynamics={"SGF": flow},
            time=count * problem.h,
            trajectories=trajectories,
            save=1,
        )
        return experiment.run()

    clock = time.perf_counter()
    run(paths, steps)
    rate = paths * steps / (time.perf_counter() - clock)
    count = min(paths, 1024)
    loss = run(count, peer_steps)["SGF"].summary["excess_loss"]
    return rate, (loss["final_mean"], loss["final_std"] / np.sqrt(count))


def installed(module):
    return importlib.util.find_spec(module) is not None


def rust_peer(folder, problem, paths, steps, seed):
    """The Euler-Maruyama steps of a Rust crate, one path after the other on each thread."""
    arrays = ["sxx", "sxy", "root", "optimum", "w1", "w2"]
    numbers = [[problem.h, problem.nu]] + [getattr(problem, name) for name in arrays]
    path = folder / "numbers"
    path.write_bytes(b"".join(np.ascontiguousarray(a, dtype="<f8").tobytes() for a in numbers))
    command = [RUST_PEER / "target" / "release" / "rust-sde-peer", path]
    command += [str(n) for n in (paths, steps, seed, peers.THREADS)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return np.array(done.stdout.split(), dtype=float)


def build_rust_peer():
    command = ["cargo", "build", "--release", "--quiet", "--manifest-path", RUST_PEER / "Cargo.toml"]
    subprocess.run(command, check=True)


def write_start(folder, problem):
    """Weights as safetensors: a header of JSON, then the numbers."""
    arrays = {"w1": problem.w1, "w2": problem.w2}
    header, data = {}, b""
    for name, array in arrays.items():
        raw = np.ascontiguousarray(array, dtype="<f8").tobytes()
        header[name] = {"dtype": "F64", "shape": array.shape, "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps(header).encode()
    (folder / "start.safetensors").write_bytes(len(text).to_bytes(8, "little") + text + data)


def agreement(losses):
    """Mean excess loss of each, its standard error, and its distance from rankfall's.

    Rounds of the peers have seeds of their own; those of rankfall repeat one seed, and count once.
    """
    means = {}
    for name, rounds in losses.items():
        if name.startswith("rankfall"):
            rounds = rounds[:1]
        values, errors = np.array(rounds).T
        means[name] = (values.mean(), np.sqrt((errors**2).sum()) / len(errors))
    own, own_error = next(v for n, v in means.items() if n.startswith("rankfall"))
    return {
        name: {"mean": mean, "standard_error": error, "z": (mean - own) / np.hypot(error, own_error)}
        for name, (mean, error) in means.items()
    }


def table(result):
    lines = [f"\np = {result['p']}, k = {result['k']}, width {result['width']}: trajectory-steps per second"]
    rates = result["rates"]
    own = [name for name in rates if name.startswith("rankfall")]
    batched = [name for name in peers.PEERS if name in rates]
    fastest = max(batched, key=lambda name: statistics.median(rates[name]))
    for name, values in rates.items():
        low, high = min(values), max(values)
        row = f"  {name:36} {statistics.median(values):12.4g}  ({low:.3g} to {high:.3g})"
        loss = result["loss"].get(name)
        if loss:
            row += f"   excess loss {loss['mean']:.5f} ± {loss['standard_error']:.5f}"
        lines.append(row)
    for name in own:
        for peer in [fastest] + [n for n in rates if n not in own and n != fastest]:
            ratios = [a / b for a, b in zip(rates[name], rates[peer])]
            lines.append(
                f"  {name} / {peer}: {statistics.median(ratios):.4g} ({min(ratios):.3g} to {max(ratios):.3g})"
            )
    if not result["loss"]:
        lines.append(f"  mean excess losses not compared: fewer than {FEWEST_COMPARED} trajectories")
        return "\n".join(lines)
    largest = max(abs(value["z"]) for value in result["loss"].values())
    verdict = "agree" if largest < 4 else "DIFFER"
    lines.append(
        f"  mean excess losses {verdict}: the largest distance from rankfall's is {largest:.1f} standard"
        " errors (false alarm at 4: below 3e-4 for four)"
    )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
