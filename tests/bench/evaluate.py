"""EVAL: the evaluator alone, which says of a tuple what all rules together decide."""
import json
import os
import subprocess

from benchlib.context import BenchError
from benchlib.table import Row

NAME = "EVAL"
TITLE = "evaluate: verdicts a second, 10,000 rules of all tiers, ten in each namespace"
PEERS = ("virga",)
ROWS = (
    Row("tuples_per_s", "tuples/s", "verdicts, by the clock", ((">=", 1e6),)),
    Row("tuples_per_cpu_s", "tuples/s", "verdicts, by processor time", ((">=", 1e6),)),
    Row("index_ms", "ms", "records to index, before"),
    Row("rules", "rules"),
    Row("allowed", "", "share of verdicts that allow"),
    Row("by_rule", "", "share that some rule decides"),
)


def measure(ctx, program):
    seconds = max(0.5, 2 * min(ctx.scale, 1))
    done = subprocess.run([program, str(ctx.size(10000, 100)), str(seconds)], text=True,
                          capture_output=True, check=False)
    if done.returncode:
        raise BenchError(f"evaluate: {done.stderr.strip()[:500]}")
    figures = json.loads(done.stdout)
    # The tuples are of both kinds, and most meet a policy.
    if not 0 < figures["allowed"] < 1 or figures["by_rule"] < 0.5:
        raise BenchError(f"evaluate: verdicts that cannot be: {done.stdout.strip()}")
    return figures


def run(ctx):
    program = os.path.join(os.environ.get("VIRGA_BUILD") or os.path.join(ctx.root, ".build"),
                           "bench", "evaluate")
    if not os.access(program, os.X_OK):
        raise BenchError(f"{program} is not there; \"make bench\" builds it")
    return ctx.in_turn({"virga": lambda: measure(ctx, program)})
