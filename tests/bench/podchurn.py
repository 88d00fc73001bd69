"""W3: pods come and go on other nodes, at a steady rate and as fast as it goes."""
import json
import time

import generate
from benchlib import apps, processes
from benchlib.context import percentile
from benchlib.http_client import send_all
from benchlib.table import Row

NAME = "W3"
TITLE = "podchurn: on W1, pods of selected applications come and go on other nodes"
PEERS = ("virga", "ovn")
RATE = 20  # Pods a second.
STEADY, BURST, OVN_EVENTS = 200, 1000, 10
ROWS = (
    Row("p50_ms", "ms", "20 changes a second, median"),
    Row("p99_ms", "ms", "20 changes a second, p99", (("<=", 0.01, "ovn", "p50_ms"),)),
    Row("flow_mods_per_event", "messages", "flow mods a change", (("<=", 1),)),
    Row("agent_cpu_ms", "ms", "agent CPU a change"),
    Row("controller_cpu_ms", "ms", "controller CPU a change"),
    Row("db_cpu_ms", "ms", "database CPU a change"),
    Row("vswitchd_cpu_ms", "ms", "vswitchd CPU a change"),
    Row("northd_cpu_ms", "ms", "northd CPU a change"),
    Row("burst_per_s", "1/s", "as fast as it goes, changes a second"),
    Row("burst_flow_mods_per_event", "messages", "as fast as it goes, flow mods a change"),
)


def new_pods(shared, n, tag):
    """Of applications that the policies select, a hundred policies each."""
    nodes = shared.objects.nodes[1:]
    chosen = [a for a in shared.by_app if a and a.startswith("app-")]
    return [generate.pod(apps.NS, f"churn-{tag}-{i}", nodes[i % len(nodes)],
                         {"app": chosen[i % len(chosen)]}) for i in range(n)]


def requests_of(pods):
    """Each comes, each goes."""
    collection = f"/api/v1/namespaces/{apps.NS}/pods"
    return ([("POST", collection, json.dumps(p), "application/json") for p in pods],
            [("DELETE", f"{collection}/{p['metadata']['name']}", None, None) for p in pods])


# --- virga ---------------------------------------------------------------------------


def steady(v, requests):
    """One request each 1/RATE seconds, from then to the node's barrier: [milliseconds]."""
    times, begun = [], time.monotonic()
    for i, request in enumerate(requests):
        due = begun + i / RATE
        time.sleep(max(0, due - time.monotonic()))
        v.client.send_text(*request)
        v.wait_applied()
        times.append(1000 * (time.monotonic() - due))
    return times


def burst(v, pods):
    come, go = requests_of(pods)
    began = time.monotonic()
    send_all(v.socket, come)
    send_all(v.socket, go)
    v.wait_applied()
    return time.monotonic() - began


def measure_virga(ctx, shared, v):
    pids, before, sent = v.pids(), processes.watch(v.pids()), v.flow_counts()[2]
    come, go = requests_of(new_pods(shared, STEADY // 2, "s"))
    times = steady(v, [r for pair in zip(come, go) for r in pair])
    figures = {"p50_ms": percentile(times, 50), "p99_ms": percentile(times, 99),
               "flow_mods_per_event": (v.flow_counts()[2] - sent) / len(times)}
    for name, seconds in processes.spent(pids, before, "_cpu_ms").items():
        figures[name] = 1000 * seconds / len(times)
    n, sent = ctx.size(BURST, 50), v.flow_counts()[2]
    figures["burst_per_s"] = 2 * n / burst(v, new_pods(shared, n, "b"))
    figures["burst_flow_mods_per_event"] = (v.flow_counts()[2] - sent) / (2 * n)
    shared.probe_virga()
    return figures


# --- ovn -----------------------------------------------------------------------------


def measure_ovn(shared, o):
    """One change after the other: it does not keep up with 20 a second."""
    using = {}
    for p in shared.policies:
        peers = p["spec"]["ingress"][0]["from"][0]["podSelector"]["matchExpressions"][0]
        for app in peers["values"]:
            using.setdefault(app, []).append(p)
    pids, before, times = o.pids(), processes.watch(o.pids()), []
    for p in new_pods(shared, OVN_EVENTS // 2, f"o{len(o.addresses)}"):
        name, policies = p["metadata"]["name"], using.get(p["metadata"]["labels"]["app"], [])
        times.append(come_ms(o, p, policies))
        times.append(go_ms(o, name, policies))
    figures = {"p50_ms": percentile(times, 50), "p99_ms": percentile(times, 99)}
    for process, seconds in processes.spent(pids, before, "_cpu_ms").items():
        figures[process] = 1000 * seconds / len(times)
    figures["db_cpu_ms"] = figures.pop("nb_cpu_ms") + figures.pop("sb_cpu_ms")
    shared.probe_ovn()
    return figures


def come_ms(o, p, policies):
    began = time.monotonic()
    address = o.next_address()
    o.add_pods([p], o.address_changes(policies, address, "insert"))
    o.sync()
    return 1000 * (time.monotonic() - began)


def go_ms(o, name, policies):
    began = time.monotonic()
    o.delete_pod(name, o.address_changes(policies, o.addresses[name], "delete"))
    o.sync()
    return 1000 * (time.monotonic() - began)


def run(ctx):
    shared = apps.get(ctx)
    v, o = shared.with_policies()
    return ctx.in_turn({"virga": lambda: measure_virga(ctx, shared, v),
                        "ovn": lambda: measure_ovn(shared, o)})
