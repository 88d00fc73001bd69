"""W1: a thousand policies on a node of a cluster of ten thousand pods."""
import time

from benchlib import apps, processes
from benchlib.switch import Raw
from benchlib.table import Row

NAME = "W1"
TITLE = "realize: 10,000 pods, 1,000 policies of 1,000 peers on 100 local pods"
PEERS = ("virga", "ovn", "raw")
ROWS = (
    Row("seconds", "s", "policies known to last flow confirmed",
        (("<=", 1.3, "raw"), ("<=", 0.01, "ovn"))),
    Row("api_seconds", "s", "first API request to last flow confirmed (ovn: the same)",
        (("<=", 0.01, "ovn"),)),
    Row("restart_seconds", "s", "agent starts, empty bridge, to last flow confirmed"),
    Row("bare_seconds", "s", "raw: the same into a bridge without ports"),
    Row("flows", "flows"),
    Row("flow_mods", "messages", "flow mods, policies alone"),
    Row("agent_rss_mb", "MB", "agent RSS", (("<=", 60),)),
    Row("controller_rss_mb", "MB", "controller RSS (ovn: ovn-controller)", (("<=", 150),)),
    Row("northd_rss_mb", "MB", "northd RSS"),
    Row("db_rss_mb", "MB", "database RSS (ovn: NB and SB)"),
    Row("vswitchd_rss_mb", "MB", "vswitchd RSS"),
    Row("agent_cpu_s", "s", "agent CPU"),
    Row("controller_cpu_s", "s", "controller CPU (ovn: ovn-controller)"),
    Row("northd_cpu_s", "s", "northd CPU"),
    Row("db_cpu_s", "s", "database CPU"),
    Row("vswitchd_cpu_s", "s", "vswitchd CPU"),
)


def measure_virga(shared):
    v = shared.start_virga()
    shared.clear_virga()
    before, (_, _, sent) = processes.watch(v.pids()), v.flow_counts()
    figures = {"api_seconds": shared.realize_virga()}
    figures.update(processes.spent(v.pids(), before))
    wanted, _, now_sent = v.flow_counts()
    figures.update(v.memory(), flows=wanted, flow_mods=now_sent - sent)
    shared.probe_virga()
    figures.update(shared.realize_known())
    shared.probe_virga()
    figures["restart_seconds"] = restart(v)
    return figures


def restart(v):
    """The agent begins with a bridge that has no flows and a database that has all."""
    v.stop_agent()
    v.ofctl("del-flows", "br-int")
    began = time.monotonic()
    v.start_agent()
    v.wait_applied()  # What the database calls ready may be the word of the agent before.
    return time.monotonic() - began


def measure_ovn(shared):
    o = shared.start_ovn()
    before = processes.watch(o.pids())
    figures = {"seconds": shared.realize_ovn()}
    figures["api_seconds"] = figures["seconds"]  # OVN has no point between.
    figures.update(processes.spent(o.pids(), before))
    figures["db_cpu_s"] = figures.pop("nb_cpu_s") + figures.pop("sb_cpu_s")
    figures.update(o.memory(), flows=o.n_flows())
    shared.probe_ovn()
    return figures


def measure_raw(shared, raw):
    flows = shared.virga.flows()
    bare, _ = raw.add_flows(flows)
    seconds, n = raw.add_flows(flows, ports=shared.virga.n_pod_ports())
    return {"seconds": seconds, "bare_seconds": bare, "flows": n, **raw.memory()}


def run(ctx):
    shared, raw = apps.get(ctx), Raw(ctx)
    shared.start_virga()
    if ctx.wants("ovn"):
        shared.start_ovn()
    return ctx.in_turn({"virga": lambda: measure_virga(shared),
                        "ovn": lambda: measure_ovn(shared),
                        "raw": lambda: measure_raw(shared, raw)})
