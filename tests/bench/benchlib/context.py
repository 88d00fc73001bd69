"""What a workload is given: how often, how large, where to say how far it is,
and what to undo at the end.

A workload is a module of tests/bench with

    NAME = "W2"                        file name of its figures, .build/bench/W2.json
    TITLE = "relabel: one pod gains a label that many policies select"
    PEERS = ("virga", "ovn")           in the order of the table's columns
    ROWS = (Row("p50_ms", "ms"), ...)  of benchlib.table; the keys of a peer's figures
    def run(ctx): ...                  {"virga": {"p50_ms": 1.2, ...}, "ovn": {...}}

and an entry in WORKLOADS of tests/bench/run.  run() measures each peer by

    return ctx.in_turn({"virga": lambda: measure_virga(ctx), "ovn": lambda: measure_ovn(ctx)})

which calls them A B A B, RUNS times, and gives the median of each figure, the worst
of each below "worst", and all of them below "runs".  With legs=[...] a run is one call of each
peer for each leg, with the leg: what a machine does differs from minute to minute, and so the
calls that are compared are neighbours.  A figure is a number, or
None if it does not apply.  A wrong answer of a functional probe is an exception:
BenchError.  What a function starts it registers with ctx.defer(undo), so that it goes
away at the end, whatever happens."""
import os
import statistics
import sys
import time

from lablib import cluster
from lablib.instance import Instance

from . import processes

# Instances (lablib.instance) that benchmarks use; whatever they hold is removed
# before the first and after the last workload.
INSTANCES = ("bench", "bench-ovn", "bench-ovn-2", "bench-raw")


class BenchError(Exception):
    """A measurement that could not be made, or an answer that was wrong."""


class Context:
    def __init__(self, root, runs, scale=None, peers=None):
        self.root = root
        self.runs = runs
        self.scale = float(scale or os.environ.get("BENCH_SCALE") or 1)
        self.peers = peers  # None: all.
        self.out = os.path.join(root, ".build", "bench")
        self.shared = {}  # What one workload leaves for the next: clusters of one shape.
        self.begun = time.monotonic()
        self.workload = ""
        self.rising = set()  # Keys of figures of the workload that are better when larger.
        self._undo = []
        os.makedirs(self.out, exist_ok=True)

    # --- size ----------------------------------------------------------------

    def size(self, n, least=1):
        """'n' of the full workload at this run's scale (BENCH_SCALE=0.1 for a tenth)."""
        return max(least, round(n * self.scale))

    def out_file(self, name, text):
        """Writes a file beside the figures; returns its path."""
        path = os.path.join(self.out, name)
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)
        return path

    # --- progress --------------------------------------------------------------

    def say(self, text):
        span = time.monotonic() - self.begun
        print(f"[{int(span) // 60:3d}:{span % 60:04.1f}] {self.workload:<4} {text}", flush=True)

    def step(self, text):
        """with ctx.step("10,000 pods") as step: ...; says how long it took; step.seconds."""
        return _Step(self, text)

    # --- turns -----------------------------------------------------------------

    def wants(self, peer):
        return self.peers is None or peer in self.peers

    def in_turn(self, peers, runs=None, legs=((),)):
        """A B A B: {peer: medians, "worst": {peer: ...}, "runs": {peer: [...]}}.  A turn begins
        when what the turns before set going is done.  'legs': what to call each peer with."""
        peers = {peer: measure for peer, measure in peers.items() if self.wants(peer)}
        runs = runs or self.runs
        figures = {peer: [{} for _ in range(runs)] for peer in peers}
        for i in range(runs):
            for leg in legs:
                words = "".join(f" {word}" for word in leg)
                for peer, measure in peers.items():
                    self.rest()
                    with self.step(f"{peer}{words}, run {i + 1} of {runs}"):
                        figures[peer][i].update(measure(*leg))
        result = {peer: _summary(runs_of, statistics.median) for peer, runs_of in figures.items()}
        result["worst"] = {peer: _worst(runs_of, self.rising) for peer, runs_of in figures.items()}
        result["runs"] = figures
        return result

    def rest(self):
        """What was set going before is done."""
        if not processes.wait_machine_rest():
            self.say("the machine does not come to rest; measuring all the same")

    # --- the end ----------------------------------------------------------------

    def defer(self, undo):
        self._undo.append(undo)

    def instance(self, name="bench"):
        """An empty Instance of scripts/lab's kind: what is written into its book goes away."""
        inst = Instance(self.root, name)
        cluster.down(inst)
        return Instance(self.root, name)

    def clean(self):
        """Undoes all that was deferred, then what the books of all instances still hold."""
        self.shared.clear()
        while self._undo:
            undo = self._undo.pop()
            try:
                undo()
            except Exception as e:  # The rest has to go, too.
                print(f"bench: cleaning up: {e}", file=sys.stderr)
        clean_instances(self.root)


def clean_instances(root):
    """Also after a crash of an earlier run."""
    for name in INSTANCES:
        cluster.down(Instance(root, name))


class _Step:
    def __init__(self, ctx, text):
        self.ctx, self.text, self.seconds = ctx, text, 0.0

    def __enter__(self):
        self.began = time.monotonic()
        self.ctx.say(f"{self.text} ...")
        return self

    def __exit__(self, kind, *_):
        self.seconds = time.monotonic() - self.began
        self.ctx.say(f"{self.text}: {'failed after ' if kind else ''}{self.seconds:.2f} s")


def _summary(runs, choose):
    keys = list(dict.fromkeys(key for figures in runs for key in figures))
    values = {key: [f[key] for f in runs if isinstance(f.get(key), (int, float))] for key in keys}
    return {key: choose(v) if v else None for key, v in values.items()}


def _worst(runs, rising):
    least = _summary(runs, min)
    return {key: least[key] if key in rising else most
            for key, most in _summary(runs, max).items()}


def percentile(values, percent):
    """The smallest value that at least 'percent' of all do not exceed."""
    ordered = sorted(values)
    rank = max(1, -(-len(ordered) * percent // 100))
    return ordered[int(rank) - 1]
