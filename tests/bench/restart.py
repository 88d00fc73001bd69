"""W9: what traffic sees of daemons that are killed."""
import time

from e2elib.objects import pods_peer, policy, rule
from benchlib import lab as labs
from benchlib.netload import Connections, Server, Watch
from benchlib.table import Row

NAME = "W9"
TITLE = "restart: SIGKILL under 1 ms pings, open connections, new connections, denied probes"
PEERS = ("virga",)
PARTS = (("agent", "agent of node-1"), ("controller", "controller"), ("db", "database"))
ROWS = tuple(Row(f"{part}_{key}", unit, f"{words}: {title}", aims)
             for part, words in PARTS
             for key, unit, title, aims in (
                 ("allowed", "packets", "wrongly allowed", (("<=", 0),)),
                 ("lost", "packets", "pings lost", (("<=", 0),)),
                 ("broken", "connections", "open connections broken", (("<=", 0),)),
                 ("failed", "connections", "new connections failed", (("<=", 0),)),
                 ("gap_ms", "ms", "longest gap", ()),
                 ("converge_s", "s", "from its start to a new policy in force", ()))) + (
    Row("sent", "packets", "pings and denied probes sent in all"),)


def policies(lab):
    lab.apply(policy("load/clients", {"app": "server"}, ingress=[
        rule("from", [pods_peer(app="client")],
             [f"{labs.PORT}-{labs.PORT + labs.N_PORTS - 1}/{p}" for p in ("TCP", "UDP")])]))


def watches(ctx, pods):
    ip = pods.ips["server"]
    return [Watch(ctx.root, pods.netns(name), [(f"{name}-ping", "ping", ip, labs.PORT),
                                               (f"{name}-stream", "stream", ip, labs.PORT)])
            for name in ("near", "far")] + [
        Watch(ctx.root, pods.netns("stranger"), [("stranger", "mute", ip, labs.PORT)])]


def converge(lab, part):
    """Starts it and changes a policy at once; until every node has the change."""
    began = time.monotonic()
    lab.run("start", part, *(["node-1"] if part == "agent" else []))
    lab.api.merge("/api/v1/namespaces/load/pods/stranger",
                  {"metadata": {"labels": {"seen": str(time.monotonic_ns())}}})
    lab.api.sync(60)
    return time.monotonic() - began


def kill_one(ctx, lab, pods, part, watching):
    """Figures of one death."""
    for watch in watching:
        watch.mark()
    load = Connections(ctx.root, pods.netns("far"), pods.ips["server"], labs.PORT + 1,
                       labs.N_PORTS - 1, 4, 8)
    lab.run("kill", part, *(["node-1"] if part == "agent" else []))
    seconds = converge(lab, part)
    failed = load.result()[1]
    seen = {}
    for watch in watching:
        seen.update(watch.mark())
    pings = [seen["near-ping"], seen["far-ping"]]
    streams = [seen["near-stream"], seen["far-stream"]]
    return {f"{part}_allowed": seen["stranger"]["bad"], f"{part}_failed": failed,
            f"{part}_lost": sum(p["bad"] for p in pings),
            f"{part}_broken": sum(s["bad"] for s in streams),
            f"{part}_gap_ms": max(p["gap_ms"] for p in pings + streams),
            f"{part}_converge_s": seconds,
            "sent": sum(s["sent"] for s in seen.values())}


def measure(ctx, lab, pods):
    figures, sent = {}, 0
    server = Server(ctx.root, pods.netns("server"), labs.PORT, labs.N_PORTS)
    watching = watches(ctx, pods)
    try:
        for part, _ in PARTS:
            figures.update(kill_one(ctx, lab, pods, part, watching))
            sent += figures["sent"]
    finally:
        for watch in watching:
            watch.stop()
        server.stop()
    return {**figures, "sent": sent}


def run(ctx):
    lab = labs.start(ctx)
    policies(lab)
    pods = labs.VirgaPods(lab)
    result = ctx.in_turn({"virga": lambda: measure(ctx, lab, pods)})
    labs.stop(lab)
    return result
