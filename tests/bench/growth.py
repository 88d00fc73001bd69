"""How time, flows and memory grow with pods, with policies and with peers.

The shape of W1 at several sizes, one number changed at a time.  Draws one file of plots
for each, .build/bench/growth-*.svg; "run --plots DIR" draws them again from the figures."""
import os
import time

import generate
from benchlib import apps, svg
from benchlib.context import percentile
from benchlib.switch import Raw
from benchlib.table import Row
from relabel import virga_events

NAME = "growth"
TITLE = "growth: W1's shape with more pods, more policies, more peers"
PEERS = ("virga", "ovn", "raw")
# What changes: pods, policies, peer applications of ten pods.
SWEEPS = {
    "pods": [(n, 200, 50) for n in (1000, 2500, 5000, 10000)],
    "policies": [(2000, n, 50) for n in (50, 100, 200, 400, 800)],
    "peers": [(2000, 200, n) for n in (5, 20, 50, 150)],
}
POSITION = {"pods": 0, "policies": 1, "peers": 2}
TITLES = {"pods": "pods in the cluster", "policies": "policies on the node",
          "peers": "peer pods of each policy"}
EVENTS, OVN_EVENTS = 50, 4
KEYS = (("seconds", "s"), ("flows", "flows"), ("agent_rss_mb", "MB"),
        ("controller_rss_mb", "MB"), ("relabel_ms", "ms"))


def x_of(sweep, point):
    return point[POSITION[sweep]] * (10 if sweep == "peers" else 1)


ROWS = tuple(Row(f"{sweep}_{x_of(sweep, p)}_{key}", unit, f"{x_of(sweep, p):,} {sweep}: {key}")
             for sweep, points in SWEEPS.items() for p in points for key, unit in KEYS)


# --- one point -------------------------------------------------------------------------


class Point(apps.Apps):
    """A cluster of W1's shape and any size."""

    def __init__(self, ctx, n_pods, n_policies, n_peer_apps):
        super().__init__(ctx, generate.apps(ctx.size(n_pods, 300), ctx.size(n_policies, 10), 20,
                                            peer_apps=ctx.size(n_peer_apps, 2)))

    def change(self, n_policies, n_peer_apps):
        """Other policies on the same pods."""
        self.policies = generate.apps(len(self.objects.pods), self.ctx.size(n_policies, 10), 20,
                                      peer_apps=self.ctx.size(n_peer_apps, 2)).policies

    def sizes(self):
        """What is really there, at any scale."""
        peers = self.policies[0]["spec"]["ingress"][0]["from"][0]["podSelector"]
        names = peers["matchExpressions"][0]["values"]
        return {"pods": len(self.objects.pods), "policies": len(self.policies),
                "peers": sum(len(self.by_app.get(n, ())) for n in names)}

    def measure(self, raw):
        figures = {}
        for peer, measure in (("virga", self.measure_virga), ("ovn", self.measure_ovn)):
            self.ctx.rest()
            figures[peer] = measure()
        self.ctx.rest()
        seconds, flows = raw.add_flows(self.virga.flows(), ports=self.virga.n_pod_ports())
        figures["raw"] = {"seconds": seconds, "flows": flows}
        return figures

    def measure_virga(self):
        figures = {"seconds": self.realize_virga(), "flows": self.virga.flow_counts()[0],
                   **self.virga.memory()}
        self.probe_virga()
        times = virga_events(self.virga, "client-1000", EVENTS)
        return {**figures, "relabel_ms": percentile(times, 50)}

    def measure_ovn(self):
        figures = {"seconds": self.realize_ovn(), "flows": self.ovn.n_flows(),
                   **self.ovn.memory()}
        self.probe_ovn()
        times, address = [], self.ovn.addresses["roamer"]
        for i in range(OVN_EVENTS):
            began = time.monotonic()
            self.ovn.nb.transact(self.ovn.address_changes(
                self.policies, address, "delete" if i % 2 else "insert"))
            self.ovn.sync()
            times.append(1000 * (time.monotonic() - began))
        return {**figures, "relabel_ms": percentile(times, 50)}

    def close(self):
        self.virga.close()
        self.ovn.close()


# --- all points ------------------------------------------------------------------------


def sweep_points(ctx, raw, sweep):
    """[(x of the full size, x, figures of each peer)]; the pods stay while only policies
    change."""
    result, cluster = [], None
    for point in SWEEPS[sweep]:
        if not cluster or sweep == "pods":
            cluster = Point(ctx, *point)
        else:
            cluster.change(*point[1:])
        with ctx.step(f"{x_of(sweep, point):,} {sweep}"):
            result.append((x_of(sweep, point), cluster.sizes()[sweep], cluster.measure(raw)))
        if sweep == "pods":
            cluster.close()
    if sweep != "pods":
        cluster.close()
    return result


def run(ctx):
    raw, result = Raw(ctx), {"virga": {}, "ovn": {}, "raw": {}, "points": {}}
    for sweep in SWEEPS:
        result["points"][sweep] = sweep_points(ctx, raw, sweep)
        for x, _, figures in result["points"][sweep]:
            for peer, values in figures.items():
                result[peer].update({f"{sweep}_{x}_{k}": values.get(k) for k, _ in KEYS})
    draw(result, ctx.out)
    return result


# --- plots -----------------------------------------------------------------------------


def _series(points, key, peers):
    return {name: [(x, (f.get(peer) or {}).get(figure or key)) for _, x, f in points]
            for name, peer, figure in peers}


def draw(result, directory):
    """Writes growth-SWEEP.svg; returns their names."""
    names = []
    both = (("virga", "virga", None), ("ovn", "ovn", None))
    for sweep, points in result["points"].items():
        panels = [
            ("policies realised, s", _series(points, "seconds", (*both, ("raw", "raw", None)))),
            ("flows on the node", _series(points, "flows", both)),
            ("memory on the node, MB", _series(points, "", (
                ("virga", "virga", "agent_rss_mb"), ("ovn", "ovn", "controller_rss_mb")))),
            ("one relabel, ms", _series(points, "relabel_ms", both))]
        name = f"growth-{sweep}.svg"
        with open(os.path.join(directory, name), "w", encoding="utf-8") as f:
            f.write(svg.chart(TITLES[sweep], panels))
        names.append(name)
    return names
