"""The smoke bench: one figure per promise of the first release."""
import http.client
import json
import os
import shutil
import socket
import statistics
import subprocess
import tempfile
import time

from e2elib.harness import Lab
from e2elib.objects import namespace, pod, pods_peer, policy, rule
from e2elib.runner import keep_logs
from lablib.system import read_pid

CHANGES = 20       # Policy changes to take the median of.
IDLE_SECONDS = 10
PORTS = ["80/TCP", "81/TCP", "80/UDP", "81/UDP"]


def figure(name, value, unit, aim=None):
    return {"name": name, "value": value, "unit": unit, "aim": aim}


def timed(function):
    began = time.monotonic()
    function()
    return time.monotonic() - began


def run(root):
    figures = build_figures(root) if os.environ.get("BUILD") else []
    lab = Lab(root, "bench")
    lab.files = tempfile.TemporaryDirectory(prefix="virga-bench-")
    lab.run("down")
    try:
        figures.append(figure("lab up, two nodes", timed(lambda: lab.run("up")), "s", 10))
        lab.refresh()
        lab.run("apply", "-f", os.path.join(root, "tests", "examples", "shop"))
        figures += idle_figures(lab)
        figures += policy_figures(lab)
        figures += probe_figures(lab)
    finally:
        keep_logs(lab, "bench-logs")
        lab.stop()
    return figures


# --- build ---------------------------------------------------------------------


def build_figures(root):
    """In a copy, with nothing cached."""
    with tempfile.TemporaryDirectory(prefix="virga-build-") as top:
        tree = os.path.join(top, "tree")
        shutil.copytree(root, tree, ignore=shutil.ignore_patterns(".build*", ".git"))
        env = {**os.environ, "XDG_CACHE_HOME": os.path.join(top, "cache"),
               "VIRGA_CACHE": os.path.join(top, "cache")}

        def make(*argv):
            subprocess.run(argv, cwd=tree, env=env, check=True, stdout=subprocess.DEVNULL)
        clean = timed(lambda: (make("scripts/setup"), make("make", "-j2")))
        os.utime(os.path.join(tree, "src", "compile", "compile.c"))
        return [figure("clean build with libopenvswitch", clean, "s", 240),
                figure("incremental build", timed(lambda: make("make", "-j2")), "s", 5)]


# --- idle ----------------------------------------------------------------------


def _rss_mb(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as f:
        line = next(x for x in f if x.startswith("VmRSS"))
    return int(line.split()[1]) / 1024


def _cpu_seconds(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as f:
        fields = f.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def idle_figures(lab):
    """Of the shop, over ten quiet seconds; the worst of the agents."""
    pids = {name: read_pid(pidfile) for name, pidfile in lab.inst.processes().items()
            if name == "controller" or name.startswith("agent-")}
    before = {name: _cpu_seconds(pid) for name, pid in pids.items()}
    began = time.monotonic()
    time.sleep(IDLE_SECONDS)
    span = time.monotonic() - began
    cpu = {name: 100 * (_cpu_seconds(pid) - before[name]) / span for name, pid in pids.items()}
    rss = {name: _rss_mb(pid) for name, pid in pids.items()}
    agents = [name for name in pids if name != "controller"]
    return [figure("agent RSS", max(rss[a] for a in agents), "MB", 20),
            figure("agent CPU when idle", max(cpu[a] for a in agents), "% of a core", 0.5),
            figure("controller RSS, shop", rss["controller"], "MB", 30),
            figure("controller CPU when idle", cpu["controller"], "% of a core")]


# --- policy ----------------------------------------------------------------------


class _Client(http.client.HTTPConnection):
    """One connection that stays open, so that its set-up is not measured."""

    def __init__(self, path):
        super().__init__("localhost", timeout=60)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.connect(self.path)

    def call(self, method, path, body=None):
        self.request(method, path, body and json.dumps(body),
                     {"Content-Type": "application/json"} if body else {})
        response = self.getresponse()
        text = response.read()
        if response.status >= 300:
            raise RuntimeError(f"{method} {path}: {response.status} {text.decode()}")


def policy_figures(lab):
    """From sending a policy to the barrier replies of both nodes; two versions in turn."""
    client = _Client(lab.api.socket_path)
    path = "/apis/networking.k8s.io/v1/namespaces/shop/networkpolicies"
    versions = [policy("shop/bench", {"role": role}, ingress=[
        rule("from", [pods_peer(role="api")], [port])])
        for role, port in (("db", "6379/TCP"), ("frontend", "1000-2000/UDP"))]
    client.call("POST", path, versions[0])
    client.call("GET", "/virga/v1/sync?timeout=10")
    stored, applied = [], []
    for i in range(CHANGES):
        began = time.monotonic()
        client.call("PUT", f"{path}/bench", versions[(i + 1) % 2])
        stored.append(1000 * (time.monotonic() - began))
        client.call("GET", "/virga/v1/sync?timeout=10")
        applied.append(1000 * (time.monotonic() - began))
    client.call("DELETE", f"{path}/bench")
    client.close()
    return [figure("policy sent to stored, median", statistics.median(stored), "ms"),
            figure("policy sent to barriers of both nodes, median", statistics.median(applied),
                   "ms", 20),
            figure("the same, slowest", max(applied), "ms")]


# --- probe -----------------------------------------------------------------------


def probe_figures(lab):
    """9 x 9 pods x 4 ports, half of the cells denied."""
    names = [f"{ns}/{p}" for ns in "xyz" for p in "abc"]
    lab.run("delete", "-f", os.path.join(lab.root, "tests", "examples", "shop"))
    lab.apply(*(namespace(n) for n in "xyz"),
              *(pod(name, f"node-{1 + i % 2}", PORTS) for i, name in enumerate(names)),
              *(policy(f"{ns}/half", {}, ingress=[rule("from", None, ["80/TCP", "80/UDP"])])
                for ns in "xyz"))
    cells = {}
    seconds = timed(lambda: cells.update(json.loads(
        lab.run("probe", "--json", "--ports", ",".join(PORTS)).stdout)))
    wrong = sum(cells[p][s][t] != ("allowed" if s == t or p.startswith("80/") else "denied")
                for p in PORTS for s in names for t in names)
    return [figure("probe of 324 cells", seconds, "s", 10),
            figure("wrong cells of 324", wrong, "cells", 0)]


# --- table -----------------------------------------------------------------------


def print_table(figures):
    rows = [("figure", "value", "aim", "")]
    for f in figures:
        met = "" if f["aim"] is None else "met" if f["value"] <= f["aim"] else "MISSED"
        aim = "" if f["aim"] is None else f"<= {f['aim']:g} {f['unit']}"
        rows.append((f["name"], f"{f['value']:.4g} {f['unit']}", aim, met))
    widths = [max(len(r[i]) for r in rows) for i in range(4)]
    for r in rows:
        print("  ".join(f"{c:<{w}}" for c, w in zip(r, widths)).rstrip())
