"""W7: what a new connection costs, on one node and over the tunnel."""
from benchlib import lab as labs
from benchlib import processes
from benchlib.context import BenchError
from benchlib.netload import Connections, Server
from benchlib.ovn_pods import OvnPods
from benchlib.table import Row

NAME = "W7"
TITLE = "newconn: TCP connect, request, answer, close; connections a second"
PEERS = ("virga", "ct", "ovn")
RULES = (0, 1000, 10000)
PARALLEL = 32


def _row(way, n, words, suffix, unit):
    aims = [(">=", 0.9, "ct"), (">=", 1, "ovn")]
    if n:
        aims.append((">=", 0.95, "virga", f"{way}_0{suffix}", "ct"))
    return Row(f"{way}_{n}{suffix}", unit, f"{words}, {n:,} rules", tuple(aims))


# By the clock, and for each second that ovs-vswitchd works (all nodes together): the second
# holds still while other work comes and goes.
ROWS = tuple(_row(way, n, words, suffix, unit)
             for suffix, unit in (("", "conn/s"), ("_per_cpu", "conn/cpu s"))
             for way, words in (("near", "one node"), ("far", "two nodes"))
             for n in RULES) + tuple(Row(f"failed_{n}", "connections", f"failed, {n:,} rules",
                                         (("<=", 0),)) for n in RULES)


def seconds_of(ctx):
    return max(1.0, min(5.0, 5 * ctx.scale))


def load(ctx, pods, client):
    """(connections a second, the same for a second of vswitchd's work, failed)

    From an empty conntrack, and over before the first connection expires: in Open vSwitch 3.1.0
    one that was committed with nat, as OVN does, may then end ovs-vswitchd with a failed
    assertion of conn_update_state()."""
    pods.flush_conntrack()
    pids = pods.vswitchd_pids()
    before = processes.watch(pids)
    connections = Connections(ctx.root, pods.netns(client), pods.ips["server"], labs.PORT,
                              labs.N_PORTS, PARALLEL, seconds_of(ctx))
    rate, failed = connections.result()
    cpu = sum(processes.spent(pids, before).values())
    if None in pids.values() or pods.vswitchd_pids() != pids:
        raise BenchError(f"an ovs-vswitchd died under connections from {client}")
    if not rate:
        raise BenchError(f"no connection from {client} came through")
    return rate, rate * seconds_of(ctx) / max(cpu, 0.01), failed


def measure(ctx, pods, n):
    figures = {f"failed_{n}": 0}
    server = Server(ctx.root, pods.netns("server"), labs.PORT, labs.N_PORTS)
    try:
        for way in ("near", "far"):
            rate, per_cpu, failed = load(ctx, pods, way)
            figures[f"{way}_{n}"], figures[f"{way}_{n}_per_cpu"] = rate, per_cpu
            figures[f"failed_{n}"] += failed
    finally:
        server.stop()
    return figures


def measure_rules(ctx, pods, n):
    with ctx.step(f"{n:,} rules"):
        pods.set_rules(n and ctx.size(n, 10))
    figures = measure(ctx, pods, n)
    if n:
        pods.check_denied()
    else:
        pods.check_open()
    return figures


def run(ctx):
    lab = labs.start(ctx)
    labs.make_peers(lab)
    pods, bridge, ovn = labs.VirgaPods(lab), labs.CtBridge(lab), OvnPods(ctx)
    labs.warm_up([pods, bridge, ovn])
    # The bridge has no rules at any time: it is measured beside those who have.
    result = ctx.in_turn({"virga": lambda n: measure_rules(ctx, pods, n),
                          "ct": lambda n: measure(ctx, bridge, n),
                          "ovn": lambda n: measure_rules(ctx, ovn, n)},
                         legs=[(n,) for n in RULES])
    ovn.close()
    labs.stop(lab)
    return result
