"""W4: the compiler alone, on the largest shapes that anybody published."""
import json
import os
import subprocess

import generate
from benchlib.context import BenchError
from benchlib.table import Row

NAME = "W4"
TITLE = "compute: objects to records; 100,000 pods in 25,000 namespaces; 10,000 pods in one"
PEERS = ("virga",)
N_NODES, RELABELS = 100, 500
SHAPES = (("tenants", "25,000 namespaces, 100,000 pods, 75,000 policies"),
          ("crowd", "1 namespace, 10,000 pods, 10,000 policies on all"))
ROWS = tuple(row for shape, words in SHAPES for row in (
    Row(f"{shape}_seconds", "s", words, (("<=", 2),)),
    Row(f"{shape}_peak_mb", "MB", "  peak RSS", (("<=", 400),)),
    Row(f"{shape}_decode_seconds", "s", "  JSON to objects, before"),
    Row(f"{shape}_relabel_us", "us", "  relabel of one pod"),
    Row(f"{shape}_rules", "rules", "  rules"),
)) + (
    # Of the first shape, as in the list of keys that all workloads share.
    Row("seconds", "s", "slower of the two"), Row("peak_mb", "MB", "larger of the two"))


def write_objects(ctx, shape):
    objects = generate.make(shape, pods=ctx.size(100000 if shape == "tenants" else 10000, 40),
                            policies=ctx.size(10000, 10), nodes=N_NODES)
    path = os.path.join(ctx.out, f"{shape}.jsonl")
    with open(path, "w", encoding="utf-8") as f:
        f.writelines(json.dumps(o, separators=(",", ":")) + "\n" for o in objects)
    return path


def measure(program, paths):
    figures = {}
    for shape, path in paths.items():
        done = subprocess.run([program, path, str(N_NODES), str(RELABELS)], text=True,
                              capture_output=True, check=False)
        if done.returncode:
            raise BenchError(f"compute: {done.stderr.strip()[:500]}")
        figures.update({f"{shape}_{k}": v for k, v in json.loads(done.stdout).items()})
    for key in ("seconds", "peak_mb"):
        figures[key] = max(figures[f"{shape}_{key}"] for shape in paths)
    return figures


def run(ctx):
    program = os.path.join(os.environ.get("VIRGA_BUILD") or os.path.join(ctx.root, ".build"),
                           "bench", "compute")
    if not os.access(program, os.X_OK):
        raise BenchError(f"{program} is not there; \"make bench\" builds it")
    with ctx.step("writing objects"):
        paths = {shape: write_objects(ctx, shape) for shape, _ in SHAPES}
    try:
        return ctx.in_turn({"virga": lambda: measure(program, paths)})
    finally:
        for path in paths.values():
            os.unlink(path)
