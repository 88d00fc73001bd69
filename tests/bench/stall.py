"""W11: how long packets wait while very many flows are committed."""

import os
import signal
import time

from e2elib.objects import block_peer, pods_peer, policy, rule
from benchlib import lab as labs
from benchlib.netload import Server, Watch
from benchlib.table import Row
from lablib.system import read_pid, wait_until

NAME = "W11"
TITLE = "stall: longest forwarding gap while very many flows are committed"
PEERS = ("virga", "raw")
FLOWS = 100000
BLOCKS = 5000  # CIDRs of one policy; well below what an agent takes (--policy-flows-max).
ROWS = (Row("idle_gap_ms", "ms", "gap while nothing happens"),
        Row("add_gap_ms", "ms", "gap while flows come", (("<=", 10),)),
        Row("remove_gap_ms", "ms", "gap while flows go", (("<=", 10),)),
        Row("lost", "packets", "pings lost", (("<=", 0),)),
        Row("restart_gap_ms", "ms", "gap while an agent starts and reads them"),
        Row("restart_lost", "packets", "pings lost then"),
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


def confirmed(lab):
    """(flows wanted, flows that the switch has confirmed), as the agent of node-1 says; asking
    the switch would make it wait."""
    text = lab.node("node-1", "ovs-appctl", "-t", lab.inst.path("node-1", "agent",
                                                                "virga-agent.ctl"), "show")
    line = next(x for x in text.splitlines() if x.startswith("flows:"))
    return tuple(int(w) for w in line.split() if w.isdigit())[:2]


class Commit:
    """One commit of the agent's: it sleeps while the policies change, and wakes to all of it."""

    def __init__(self, ctx, lab):
        self.ctx, self.lab = ctx, lab

    def around(self, change, is_done):
        """Seconds from the agent's waking to the last flow."""
        pid = read_pid(self.lab.inst.processes()["agent-node-1"])
        os.kill(pid, signal.SIGSTOP)
        try:
            change()
        finally:
            os.kill(pid, signal.SIGCONT)
        with self.ctx.step("the agent commits") as step:
            wait_until(lambda: self.done(is_done), 120, "the flows")
        return step.seconds

    def restart(self):
        """The agent dies, comes back and reads all flows that the switch has."""
        there = confirmed(self.lab)[1]
        self.lab.run("kill", "agent", "node-1")
        with self.ctx.step("an agent reads the flows"):
            self.lab.run("start", "agent", "node-1")
            wait_until(lambda: self.done(lambda n: n == there), 120, "the flows")

    def done(self, is_done):
        wanted, there = confirmed(self.lab)
        return wanted == there and is_done(there)


def measure_virga(ctx, lab, pods):
    total, watch, figures = ctx.size(FLOWS, 1000), None, {}
    parts = [(k, first, min(BLOCKS, total - first))
             for k, first in enumerate(range(0, total, BLOCKS))]
    commit = Commit(ctx, lab)
    server = Server(ctx.root, pods.netns("server"), labs.PORT)
    watch = Watch(ctx.root, pods.netns("near"), [("ping", "ping", pods.ips["server"], labs.PORT)])
    try:
        figures["idle_gap_ms"] = idle_gap(watch)
        before = confirmed(lab)[1]
        figures["seconds"] = commit.around(
            lambda: [lab.api.call("POST", POLICIES, big_policy(*p)) for p in parts],
            lambda n: n >= before + total)
        added = watch.mark()["ping"]
        figures["flows"] = confirmed(lab)[1] - before
        commit.restart()
        reread = watch.mark()["ping"]
        commit.around(
            lambda: [lab.api.call("DELETE", f"{POLICIES}/big-{k}") for k, _, _ in parts],
            lambda n: n <= before)
        removed = watch.mark()["ping"]
    finally:
        watch.stop()
        server.stop()
    return {**figures, "add_gap_ms": added["gap_ms"], "remove_gap_ms": removed["gap_ms"],
            "restart_gap_ms": reread["gap_ms"], "restart_lost": reread["bad"],
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
