"""W11: how long packets wait while very many flows are committed."""

import time

from e2elib.objects import block_peer, pods_peer, policy, rule
from benchlib import lab as labs
from benchlib.context import BenchError
from benchlib.netload import Server, Watch
from benchlib.table import Row

NAME = "W11"
TITLE = "stall: longest forwarding gap while very many flows are committed"
PEERS = ("virga", "raw")
FLOWS = 100000
BLOCKS = 10000  # CIDRs of one policy.
ROWS = (Row("idle_gap_ms", "ms", "gap while nothing happens"),
        Row("add_gap_ms", "ms", "gap while flows come", (("<=", 10),)),
        Row("remove_gap_ms", "ms", "gap while flows go", (("<=", 10),)),
        Row("lost", "packets", "pings lost", (("<=", 0),)),
        Row("flows", "flows", "flows"),
        Row("seconds", "s", "time to the last flow"))
POLICIES = "/apis/networking.k8s.io/v1/namespaces/load/networkpolicies"


def block(i):
    """Distinct /32s that no mask can join."""
    return f"{20 + i // 4194304}.{i // 16384 % 256}.{i // 64 % 256}.{i % 64 * 4}/32"


def big_policy(k, first, n):
    return policy(f"load/big-{k}", {"app": "server"}, ingress=[
        rule("from", [pods_peer(app="client"),
                      *(block_peer(block(i)) for i in range(first, first + n))],
             [f"{labs.PORT}/UDP"])])


def n_flows(lab):
    text = lab.node("node-1", "ovs-ofctl", "dump-aggregate", "br-int")
    return int(text.rpartition("flow_count=")[2].split()[0])


class Commit:
    """One commit of the agent's: dead while the policies change, it finds the difference."""

    def __init__(self, ctx, lab):
        self.ctx, self.lab = ctx, lab

    def around(self, change):
        """Seconds from the agent's start to the last flow."""
        self.lab.run("kill", "agent", "node-1")
        change()
        with self.ctx.step("the agent commits") as step:
            self.lab.run("start", "agent", "node-1")
            self.lab.api.sync(120)
        return step.seconds


def measure_virga(ctx, lab, pods):
    total, watch, figures = ctx.size(FLOWS, 1000), None, {}
    parts = [(k, first, min(BLOCKS, total - first))
             for k, first in enumerate(range(0, total, BLOCKS))]
    commit = Commit(ctx, lab)
    server = Server(ctx.root, pods.netns("server"), labs.PORT)
    watch = Watch(ctx.root, pods.netns("near"), [("ping", "ping", pods.ips["server"], labs.PORT)])
    try:
        figures["idle_gap_ms"] = idle_gap(watch)
        before = n_flows(lab)
        figures["seconds"] = commit.around(
            lambda: [lab.api.call("POST", POLICIES, big_policy(*p)) for p in parts])
        added = watch.mark()["ping"]
        figures["flows"] = n_flows(lab) - before
        commit.around(
            lambda: [lab.api.call("DELETE", f"{POLICIES}/big-{k}") for k, _, _ in parts])
        removed = watch.mark()["ping"]
    finally:
        watch.stop()
        server.stop()
    if figures["flows"] < total:
        raise BenchError(f"{figures['flows']} flows instead of {total}")
    return {**figures, "add_gap_ms": added["gap_ms"], "remove_gap_ms": removed["gap_ms"],
            "lost": added["bad"] + removed["bad"]}


def idle_gap(watch):
    """Of some thousand pings; marks last a second each."""
    worst = 0
    for _ in range(3):
        watch.mark()
        time.sleep(1)
        worst = max(worst, watch.mark()["ping"]["gap_ms"])
    return worst


def measure_raw(ctx, lab, bridge):
    """The same number of flows by "ovs-ofctl --bundle" into the bridge without a policy."""
    total = ctx.size(FLOWS, 1000)
    path = lab.write("".join(f"table=7,priority=7,ip,nw_src={block(i)},actions=drop\n"
                             for i in range(total)), "raw.flows")
    server = Server(ctx.root, bridge.netns("server"), labs.PORT)
    watch = Watch(ctx.root, bridge.netns("near"),
                  [("ping", "ping", bridge.ips["server"], labs.PORT)])
    try:
        idle = idle_gap(watch)
        with ctx.step("ovs-ofctl --bundle add-flows") as step:
            lab.node("node-1", "ovs-ofctl", "--bundle", "add-flows", "br-ct", path)
        added = watch.mark()["ping"]
        lab.node("node-1", "ovs-ofctl", "del-flows", "br-ct", "table=7")
        removed = watch.mark()["ping"]
    finally:
        watch.stop()
        server.stop()
    return {"idle_gap_ms": idle, "add_gap_ms": added["gap_ms"], "flows": total,
            "remove_gap_ms": removed["gap_ms"], "lost": added["bad"] + removed["bad"],
            "seconds": step.seconds}


def run(ctx):
    lab = labs.start(ctx)
    pods, bridge = labs.VirgaPods(lab), labs.CtBridge(lab)
    result = ctx.in_turn({"virga": lambda: measure_virga(ctx, lab, pods),
                          "raw": lambda: measure_raw(ctx, lab, bridge)})
    labs.stop(lab)
    return result
