"""W5: one policy with many address blocks."""
import random
import time

import generate
from benchlib import processes
from benchlib.http_client import path_of
from benchlib.switch import Raw
from benchlib.table import Row
from benchlib.virga import Virga

NAME = "W5"
TITLE = "cidr: one policy with 5,000, 10,000 and 15,000 address blocks on 2 pods"
PEERS = ("virga", "raw")
COUNTS = (5000, 10000, 15000)
ROWS = tuple(Row(f"seconds_{n}", "s", f"{n:,} blocks, policy sent to last flow confirmed",
                 (("<=", 1.5, "raw"),)) for n in COUNTS) + (
    Row("seconds", "s", "the last of these"), Row("flows", "flows", "flow mods of it"),
    Row("agent_rss_mb", "MB", "agent RSS"), Row("controller_rss_mb", "MB", "controller RSS"),
    Row("vswitchd_rss_mb", "MB", "vswitchd RSS"), Row("db_rss_mb", "MB", "database RSS"))


def blocks(n, seed=1):
    """Prefixes of 20 to 32 bits that do not overlap, in no order."""
    rng = random.Random(seed)
    result = []
    for i in range(n):
        address = (11 << 24) + (i << 12) + (rng.randrange(16) << 8)
        length = rng.randint(24, 32)
        address &= (1 << 32) - (1 << (32 - length))
        result.append(".".join(str(address >> s & 255) for s in (24, 16, 8, 0)) + f"/{length}")
    rng.shuffle(result)
    return result


def policy(n):
    return generate.policy("cidr", "partners", generate.labels_are(app="a"), ingress=[
        ([{"ipBlock": {"cidr": c}} for c in blocks(n)], None)])


def measure_virga(ctx, v, flows):
    """'flows' gets for each count the flows before and after."""
    figures, before = {}, processes.watch(v.pids())
    for n in COUNTS:
        text = policy(ctx.size(n, 10))
        base, sent = v.flows(), v.flow_counts()[2]
        began = time.monotonic()
        v.client.call("POST", path_of(text).rpartition("/")[0], text)
        v.wait_applied()
        figures[f"seconds_{n}"] = time.monotonic() - began
        figures["flows"] = v.flow_counts()[2] - sent
        flows[n] = base, v.flows()
        figures.update(v.memory())
        v.delete_policies("cidr")
    figures["seconds"] = figures[f"seconds_{COUNTS[-1]}"]
    figures.update(processes.spent(v.pids(), before))
    return figures


def measure_raw(raw, flows, ports):
    """The flows that came, added to those that were there."""
    figures = {}
    for n, (before, after) in flows.items():
        there = set(before.splitlines())
        new = "\n".join(x for x in after.splitlines() if x not in there)
        figures[f"seconds_{n}"], _ = raw.add_flows(new + "\n", before, ports)
        figures["flows"] = len(new.splitlines())
    figures["seconds"] = figures[f"seconds_{COUNTS[-1]}"]
    return {**figures, **raw.memory()}


def run(ctx):
    v, raw, flows = Virga(ctx, ["node-1"]), Raw(ctx), {}
    v.create([generate.namespace("cidr"), *(generate.pod("cidr", name, "node-1", {"app": "a"})
                                            for name in ("one", "two"))])
    v.attach()
    try:
        return ctx.in_turn({"virga": lambda: measure_virga(ctx, v, flows),
                            "raw": lambda: measure_raw(raw, flows, v.n_pod_ports())})
    finally:
        v.close()
