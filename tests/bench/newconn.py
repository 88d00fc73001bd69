"""W7: what a new connection costs, on one node and over the tunnel."""
from benchlib import lab as labs
from benchlib.context import BenchError
from benchlib.netload import Connections, Server
from benchlib.ovn_pods import OvnPods
from benchlib.table import Row

NAME = "W7"
TITLE = "newconn: TCP connect, request, answer, close; connections a second"
PEERS = ("virga", "ct", "ovn")
RULES = (0, 1000, 10000)
PARALLEL = 32


def _row(way, n, words):
    aims = [(">=", 0.9, "ct", f"{way}_0"), (">=", 1, "ovn")]
    if n:
        aims.append((">=", 0.95, "virga", f"{way}_0"))
    return Row(f"{way}_{n}", "conn/s", f"{words}, {n:,} rules", tuple(aims))


ROWS = tuple(_row(way, n, words) for way, words in (("near", "one node"), ("far", "two nodes"))
             for n in RULES) + (Row("failed", "connections", "failed", (("<=", 0),)),)


def seconds_of(ctx):
    return max(1.0, min(5.0, 5 * ctx.scale))


def load(ctx, pods, client):
    """(connections a second, failed)"""
    connections = Connections(ctx.root, pods.netns(client), pods.ips["server"], labs.PORT,
                              labs.N_PORTS, PARALLEL, seconds_of(ctx))
    rate, failed = connections.result()
    if not rate:
        raise BenchError(f"no connection from {client} came through")
    return rate, failed


def measure(ctx, pods, n):
    figures = {"failed": 0}
    server = Server(ctx.root, pods.netns("server"), labs.PORT, labs.N_PORTS)
    try:
        for way in ("near", "far"):
            load_once = load(ctx, pods, way)
            figures[f"{way}_{n}"] = load_once[0]
            figures["failed"] += load_once[1]
    finally:
        server.stop()
    return figures


def measure_rules(ctx, pods):
    figures = {"failed": 0}
    for n in RULES:
        with ctx.step(f"{n:,} rules"):
            pods.set_rules(n and ctx.size(n, 10))
        once = measure(ctx, pods, n)
        failed = figures["failed"] + once["failed"]
        figures.update(once, failed=failed)
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
    result = ctx.in_turn({"virga": lambda: measure_rules(ctx, pods),
                          "ct": lambda: measure(ctx, bridge, 0),
                          "ovn": lambda: measure_rules(ctx, ovn)})
    ovn.close()
    labs.stop(lab)
    return result
