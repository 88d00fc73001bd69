"""W10: very many agents at one database."""
import json
import os
import select
import socket
import subprocess
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor

from benchlib import processes
from benchlib.context import BenchError, percentile
from benchlib.netload import program
from benchlib.table import Row
from e2elib.harness import Lab
from e2elib.objects import namespace, pod, policy, rule
from lablib.api import _UnixConnection
from lablib.system import read_pid, run as command

NAME = "W10"
TITLE = "fanout: agents without a switch; 100,000 pods; cold connect, then 100 changes a second"
PEERS = ("virga",)
AGENTS = (100, 500)
PODS, NAMESPACES = 100000, 1000
CHANGES_PER_SECOND = 100
PROBE, LIMIT_S = 5, 60  # Agents that show what one costs; time for a cold connect.
HEARTBEAT_S = 5
SEEN_S = 120  # For the last change to reach all.
ROWS = tuple(Row(f"{key}_{n}", unit, f"{n} agents: {title}", aims if n == 500 else ())
             for n in AGENTS for key, unit, title, aims in (
                 ("sync_s", "s", "cold connect until all are in sync", (("<=", 30),)),
                 ("connected", "agents", "so many were connected; the time is for all", ()),
                 ("snapshot_mb", "MB", "snapshot of one agent", ()),
                 ("controller_rss_mb", "MB", "controller, steady", ()),
                 ("controller_peak_ratio", "x", "controller at connect to steady",
                  (("<=", 1.5),)),
                 ("db_rss_mb", "MB", "database, steady", ()),
                 ("db_peak_mb", "MB", "database, at connect", ()),
                 ("db_file_mb", "MB", "database file", ()),
                 ("agent_rss_mb", "MB", "a real agent", ()),
                 ("lag_p50_ms", "ms", "change to agent, median", ()),
                 ("lag_p99_ms", "ms", "change to agent, p99", ()),
                 ("rate", "1/s", "changes a second reached", ()),
                 ("controller_cpu", "cores", "controller at that rate", ()),
                 ("db_cpu", "cores", "database at that rate", ()),
                 ("bytes_per_change", "B", "bytes per agent and change", ()),
                 ("writes_per_s", "1/s", "transactions of agents a second", ())))


# --- the cluster -------------------------------------------------------------------


def start(ctx):
    """A controller and a database, and one node, whose agent has a real switch."""
    lab = Lab(ctx.root, "bench")
    lab.files = tempfile.TemporaryDirectory(prefix="virga-bench-")
    lab.run("down")
    ctx.defer(lab.stop)
    lab.run("up", "--nodes", "1")
    lab.refresh()
    return lab


def node_name(i):
    return f"fan-{i}"


def make_nodes(lab, n):
    """Rows as agents write them."""
    operations = []
    for i in range(n):
        ip = f"10.255.{i // 250}.{i % 250 + 1}"
        operations += [{"op": "insert", "table": "Node", "row": {
            "name": node_name(i), "vtep": ip, "addresses": ip}},
            {"op": "insert", "table": "Node_Status", "row": {
                "name": node_name(i), "ready": True,
                "heartbeat": int(1000 * time.time())}}]
    transact(lab, operations)


class KeepAlive(threading.Thread):
    """Heartbeats of all nodes.  A real agent says that it is alive while it waits for its
    snapshot, by the other of its connections; those of fanout.c begin when they have it."""

    def __init__(self, lab):
        super().__init__(daemon=True)
        self.ended = threading.Event()
        self.socket = socket.socket(socket.AF_UNIX)  # For all: later the queue may be full.
        self.socket.connect(database(lab)[5:])

    def run(self):
        while not self.ended.wait(HEARTBEAT_S):
            update = {"op": "update", "table": "Node_Status", "where": [["name", "!=", "node-1"]],
                      "row": {"heartbeat": int(1000 * time.time())}}
            self.socket.sendall(json.dumps({"method": "transact", "params": ["Virga", update],
                                            "id": 1}).encode())
            if self.socket.recv(4096).count(b'"count"') != 1:
                raise BenchError("heartbeats were refused")

    def stop(self):
        self.ended.set()
        self.join()
        self.socket.close()


def transact(lab, operations):
    command(["ovsdb-client", "transact", database(lab), json.dumps(["Virga", *operations])])


def database(lab):
    return "unix:" + lab.inst.path("db", "virga.sock")


def make_cluster(ctx, lab, nodes):
    """Namespaces with a policy each, and the pods, spread over namespaces and nodes."""
    n_pods, n_ns = ctx.size(PODS, 100), ctx.size(NAMESPACES, 10)
    api = Bulk(lab)
    with ctx.step(f"{n_pods:,} pods in {n_ns:,} namespaces"):
        api.each(range(n_ns), lambda i: ("POST", "/api/v1/namespaces", namespace(f"ns-{i}")))
        api.each(range(n_ns), lambda i: (
            "POST", f"/apis/networking.k8s.io/v1/namespaces/ns-{i}/networkpolicies",
            policy(f"ns-{i}/allow", {"app": "a1"}, ingress=[
                rule("from", [{"podSelector": {"matchLabels": {"app": "a0"}}}], ["80/TCP"])])))
        api.each(range(n_pods), lambda i: (
            "POST", f"/api/v1/namespaces/ns-{i % n_ns}/pods",
            pod(f"ns-{i % n_ns}/pod-{i}", node_name(i % nodes), ports=[], app=f"a{i % 3}")))


class Bulk:
    """Many calls over few connections that stay open."""

    def __init__(self, lab, workers=4):
        self.path, self.workers = lab.inst.path("controller", "api.sock"), workers
        self.local = threading.local()

    def call(self, method, path, body=None):
        connection = getattr(self.local, "connection", None)
        if not connection:
            connection = self.local.connection = _UnixConnection(self.path, 120)
        connection.request(method, path, body and json.dumps(body),
                           {"Content-Type": "application/json"} if body else {})
        response = connection.getresponse()
        text = response.read()
        if response.status >= 300:
            raise BenchError(f"{method} {path}: {response.status} {text[:200]!r}")

    def each(self, items, make):
        with ThreadPoolExecutor(self.workers) as pool:
            for _ in pool.map(lambda i: self.call(*make(i)), items):
                pass


# --- the agents ----------------------------------------------------------------------

STATE_TABLES = ("Node", "Feed_Base", "Feed_Log")
OWN_TABLES = ("Node_Status", "Counter")


def requests(ctx):
    """What the two connections of an agent ask for."""
    with open(os.path.join(ctx.root, "include", "virga.ovsschema"), encoding="utf-8") as f:
        tables = json.load(f)["tables"]

    def everything(name):
        return {"columns": sorted(tables[name]["columns"])}
    state = {name: [everything(name)] for name in STATE_TABLES}
    state["Global"] = [{"columns": ["feed", "generation", "stats_request"]}]
    own = {name: [{**everything(name), "where": [["name" if name == "Node_Status" else "node",
                                                  "==", "@NODE@"]]}] for name in OWN_TABLES}
    return state, own


def monitor(name, tables):
    return json.dumps({"method": "monitor_cond_since", "id": 1, "params": [
        "Virga", ["monid", name], tables, "00000000-0000-0000-0000-000000000000"]})


class Fanout:
    def __init__(self, ctx, lab, n):
        state, own = requests(ctx)
        merged = os.environ.get("FANOUT_ONE")  # One conditional monitor, as a look at its price.
        files = [lab.write(monitor("state", {**state, **own} if merged else state), "state.json"),
                 lab.write(monitor("own", own), "own.json")]
        self.n, self.began = n, time.monotonic()
        self.process = subprocess.Popen(
            [program(ctx.root, "fanout"), database(lab)[5:], str(n), str(spread_ms(n)),
             str(write_ms(n)), *files],
            text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def wait_synced(self):
        """(seconds, bytes of one agent's snapshot)"""
        said = self.process.stdout.readline().split()
        if not said or said[0] != "synced":
            raise BenchError("fanout failed")
        return int(said[1]) / 1e6 - self.began, int(said[2]) / self.n

    def wait_seen(self, marker):
        """Until every agent has seen it."""
        print(marker, file=self.process.stdin, flush=True)
        if not select.select([self.process.stdout], [], [], SEEN_S)[0]:
            raise BenchError(f"not all agents have seen pod {marker} after {SEEN_S} s")
        self.process.stdout.readline()

    def stop(self):
        """({marker: [when each agent saw it]}, bytes received, writes)"""
        self.process.stdin.close()
        seen, counts = {}, [0, 0]
        for line in self.process.stdout:
            words = line.split()
            if words[0] == "seen":
                seen.setdefault(int(words[1]), []).append(int(words[3]) / 1e6)
            elif words[0] == "bytes":
                counts = list(map(int, words[1:]))
        self.process.wait()
        return seen, *counts


def spread_ms(n):
    return 0


def write_ms(n):
    return min(max(n, n * n // 125), 5000)  # src/programs/virga-agent/agent.c: status_pause().


# --- measuring -----------------------------------------------------------------------


class Peak(threading.Thread):
    """The largest RSS of some processes while it runs."""

    def __init__(self, pids):
        super().__init__(daemon=True)
        self.pids, self.ended = pids, threading.Event()
        self.mb = dict.fromkeys(pids, 0)

    def run(self):
        while not self.ended.wait(0.02):
            for name, pid in self.pids.items():
                self.mb[name] = max(self.mb[name], processes.rss_mb(pid))

    def stop(self):
        self.ended.set()
        self.join()
        return self.mb


def change(lab, seconds):
    """Pods come and go, CHANGES_PER_SECOND; {marker: when it was sent}, changes a second."""
    api, sent, began, i = Bulk(lab), {}, time.monotonic(), 0
    while time.monotonic() - began < seconds:
        due = began + i / CHANGES_PER_SECOND
        time.sleep(max(0, due - time.monotonic()))
        if i % 2:
            api.call("DELETE", f"/api/v1/namespaces/ns-0/pods/marker-{i - 1}")
        else:
            sent[i] = time.monotonic()
            api.call("POST", "/api/v1/namespaces/ns-0/pods",
                     pod(f"ns-0/marker-{i}", node_name(0), ports=[], app="a0"))
        i += 1
    rate = i / (time.monotonic() - began)
    if i % 2:
        api.call("DELETE", f"/api/v1/namespaces/ns-0/pods/marker-{i - 1}")
    return sent, rate, i


def affordable(ctx, lab, n):
    """How many of 'n' agents are in sync in LIMIT_S, by what a few take.  The database
    answers one after the other, so the time for all follows."""
    probe = Fanout(ctx, lab, min(n, PROBE))
    seconds = probe.wait_synced()[0] / probe.n
    probe.stop()
    return max(1, min(n, int(LIMIT_S / seconds)))


def measure_agents(ctx, lab, n):
    wanted = ctx.size(n, 5)
    connected = affordable(ctx, lab, wanted)
    pids = {name: read_pid(lab.inst.processes()[name]) for name in ("controller", "db")}
    steady = {name: processes.rss_mb(pid) for name, pid in pids.items()}
    peak = Peak(pids)
    peak.start()
    with ctx.step(f"{connected} agents connect"):
        agents = Fanout(ctx, lab, connected)
        seconds, snapshot = agents.wait_synced()
    processes.wait_rest(pids)  # What the connecting left to be done.
    peaks = peak.stop()
    before, began = processes.watch(pids), time.monotonic()
    with ctx.step(f"{CHANGES_PER_SECOND} changes a second"):
        sent, rate, changes = change(lab, max(2, 10 * min(ctx.scale, 1)))
        agents.wait_seen(max(sent))
    span = time.monotonic() - began
    cpu = processes.spent(pids, before, "_cpu")
    steady.update({k: max(v, processes.rss_mb(pids[k])) for k, v in steady.items()})
    seen, received, writes = agents.stop()
    lags = [1000 * (t - sent[m]) for m in seen for t in seen[m] if m in sent]
    if sum(map(len, seen.values())) < len(sent) * agents.n:
        raise BenchError(f"agents saw {sum(map(len, seen.values()))} of {len(sent) * agents.n} pods")
    return {f"sync_s_{n}": seconds * wanted / connected, f"connected_{n}": connected,
            f"snapshot_mb_{n}": snapshot / 1e6,
            f"controller_rss_mb_{n}": steady["controller"], f"db_rss_mb_{n}": steady["db"],
            f"controller_peak_ratio_{n}": peaks["controller"] / steady["controller"],
            f"db_file_mb_{n}": os.path.getsize(lab.inst.path("db", "virga.db")) / 1e6,
            f"agent_rss_mb_{n}": processes.rss_mb(read_pid(lab.inst.processes()["agent-node-1"])),
            f"db_peak_mb_{n}": peaks["db"], f"lag_p50_ms_{n}": percentile(lags, 50),
            f"lag_p99_ms_{n}": percentile(lags, 99), f"rate_{n}": rate,
            f"controller_cpu_{n}": cpu["controller_cpu"] / span,
            f"db_cpu_{n}": cpu["db_cpu"] / span,
            f"bytes_per_change_{n}": received / agents.n / changes,
            f"writes_per_s_{n}": writes / span}


def measure(ctx, lab):
    figures = {}
    for n in AGENTS:
        figures.update(measure_agents(ctx, lab, n))
    return figures


def run(ctx):
    lab = start(ctx)
    nodes = ctx.size(max(AGENTS), 5)
    make_nodes(lab, nodes)
    alive = KeepAlive(lab)
    alive.start()
    ctx.defer(alive.stop)
    make_cluster(ctx, lab, nodes)
    result = ctx.in_turn({"virga": lambda: measure(ctx, lab)})
    alive.stop()
    lab.run("down")
    return result
