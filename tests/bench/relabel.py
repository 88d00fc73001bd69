"""W2: a pod on another node gains a label that many policies here select."""
import time

from benchlib import apps, processes
from benchlib.context import percentile
from benchlib.table import Row

NAME = "W2"
TITLE = "relabel: on W1, a pod gains the label that 10 or 1,000 policies' peers select"
PEERS = ("virga", "ovn")
EVENTS, OVN_EVENTS = 200, 10
ROWS = (
    Row("p50_ms", "ms", "10 policies, median"),
    Row("p99_ms", "ms", "10 policies, p99", (("<=", 0.01, "ovn", "p50_ms"),)),
    Row("flow_mods_per_event", "messages", "10 policies, flow mods an event", (("<=", 1),)),
    Row("p50_1000_ms", "ms", "1,000 policies, median", (("<=", 1.2, "virga", "p50_ms"),)),
    Row("p99_1000_ms", "ms", "1,000 policies, p99", (("<=", 0.01, "ovn", "p50_1000_ms"),)),
    Row("flow_mods_per_event_1000", "messages", "1,000 policies, flow mods an event",
        (("<=", 1),)),
    Row("empty_sync_ms", "ms", "a sync with nothing to do"),
    Row("agent_cpu_ms", "ms", "agent CPU an event"),
    Row("controller_cpu_ms", "ms", "controller CPU an event"),
    Row("db_cpu_ms", "ms", "database CPU an event"),
    Row("vswitchd_cpu_ms", "ms", "vswitchd CPU an event"),
)


def figures_of(times_ms, suffix):
    return {f"p50{suffix}_ms": percentile(times_ms, 50),
            f"p99{suffix}_ms": percentile(times_ms, 99)}


def timed_ms(function):
    began = time.monotonic()
    function()
    return 1000 * (time.monotonic() - began)


# --- virga ---------------------------------------------------------------------------


def virga_events(v, app, n):
    """The roamer gains and loses the label, in turn: [milliseconds]."""
    def event(value):
        v.client.send_text("PATCH", apps.pod_path("roamer"), apps.label_patch(value),
                           "application/merge-patch+json")
        v.wait_applied()
    return [timed_ms(lambda i=i: event(None if i % 2 else app)) for i in range(n)]


def measure_virga(shared, v):
    figures = {}
    before = processes.watch(v.pids())
    for k, suffix in ((10, ""), (1000, "_1000")):
        sent = v.flow_counts()[2]
        times = virga_events(v, f"client-{k}", EVENTS)
        figures.update(figures_of(times, suffix))
        figures["flow_mods_per_event" + suffix] = (v.flow_counts()[2] - sent) / EVENTS
    for name, seconds in processes.spent(v.pids(), before, "_cpu_ms").items():
        figures[name] = 1000 * seconds / (2 * EVENTS)
    figures["empty_sync_ms"] = percentile([timed_ms(v.client.sync) for _ in range(20)], 50)
    shared.probe_virga()
    return figures


# --- ovn -----------------------------------------------------------------------------


def ovn_events(o, policies, address, n):
    def event(verb):
        o.nb.transact(o.address_changes(policies, address, verb))
        o.sync()
    return [timed_ms(lambda i=i: event("delete" if i % 2 else "insert")) for i in range(n)]


def measure_ovn(shared, o):
    figures = {}
    address = o.addresses["roamer"]
    for k, suffix in ((10, ""), (1000, "_1000")):
        times = ovn_events(o, shared.policies[:k], address, OVN_EVENTS)
        figures.update(figures_of(times, suffix))
    figures["empty_sync_ms"] = percentile([timed_ms(o.sync) for _ in range(5)], 50)
    shared.probe_ovn()
    return figures


def run(ctx):
    shared = apps.get(ctx)
    v, o = shared.with_policies()
    return ctx.in_turn({"virga": lambda: measure_virga(shared, v),
                        "ovn": lambda: measure_ovn(shared, o)})
