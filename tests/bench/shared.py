"""W6: thousands of policies over the same peers and ports."""
import re
import time

import generate
from benchlib import processes
from benchlib.context import BenchError
from benchlib.http_client import creations, send_all
from benchlib.switch import Raw
from benchlib.table import Row
from benchlib.virga import NODE, Virga
from lablib import probing
from lablib.system import in_netns, run as run_command

NAME = "W6"
TITLE = "shared: 3,500 policies in 10 namespaces over the same 450 peers and 20 ports"
PEERS = ("virga", "raw")
N_NAMESPACES, APPS_EACH, N_PEERS, N_PORTS, N_POLICIES = 10, 5, 450, 20, 3500
SHARES = (0.5, 1)  # Of the policies, to see how it grows.
N_UPCALLS = 2000
ROWS = (
    Row("seconds", "s", "3,500 policies sent to last flow confirmed", (("<=", 2.4, "virga",
                                                                      "half_seconds"),)),
    Row("half_seconds", "s", "1,750 of them"),
    Row("sets_seconds", "s", "3,500 over 10 distinct sets of peers"),
    Row("flows", "flows"),
    Row("longest_list", "rules", "longest list of conjunctions on a flow",
        (("<=", 1, "virga", "rules_of_namespace"),)),
    Row("rules_of_namespace", "rules", "rules of one namespace"),
    Row("upcall_us", "us", "first packet of a connection, vswitchd CPU"),
    Row("upcall_us_empty", "us", "the same without policies"),
    Row("agent_rss_mb", "MB", "agent RSS"), Row("controller_rss_mb", "MB", "controller RSS"),
    Row("vswitchd_rss_mb", "MB", "vswitchd RSS"), Row("db_rss_mb", "MB", "database RSS"))


# --- objects ---------------------------------------------------------------------------


def cluster(ctx):
    """Ten namespaces with five applications here; 450 clients elsewhere, and one here."""
    objects = generate.Objects(nodes=generate.node_names(5))
    objects.namespaces = [generate.namespace("clients", {"role": "clients"}, "10.200.0.0/16")]
    for i in range(N_NAMESPACES):
        objects.namespaces.append(generate.namespace(f"shop-{i}"))
        objects.pods += [generate.pod(f"shop-{i}", f"app-{j}", NODE, {"app": f"app-{j}"}, 8000)
                         for j in range(APPS_EACH)]
    objects.pods.append(generate.pod("clients", "client-0", NODE, {"set": "0", "role": "client"}))
    objects.pods += [generate.pod("clients", f"client-{i}", objects.nodes[1 + i % 4],
                                  {"set": str(i % 10), "role": "client"})
                     for i in range(1, ctx.size(N_PEERS, 20))]
    return objects


def policies(n, n_sets):
    """Peers: all clients (one set), or a tenth of them (ten sets)."""
    result = []
    for i in range(n):
        labels = {"role": "client"} if n_sets == 1 else {"set": str(i % n_sets)}
        peer = {"namespaceSelector": generate.labels_are(role="clients"),
                "podSelector": generate.labels_are(**labels)}
        result.append(generate.policy(
            f"shop-{i % N_NAMESPACES}", f"policy-{i}",
            generate.labels_are(app=f"app-{i // N_NAMESPACES % APPS_EACH}"),
            ingress=[([peer], list(range(8000, 8000 + N_PORTS)))]))
    return result


# --- measures --------------------------------------------------------------------------


def realize(v, objects):
    requests = creations(objects)
    began = time.monotonic()
    send_all(v.socket, requests)
    v.wait_applied()
    return time.monotonic() - began


def clear(v):
    for i in range(N_NAMESPACES):
        v.client.call("DELETE",
                      f"/apis/networking.k8s.io/v1/namespaces/shop-{i}/networkpolicies")
    v.client.sync()


def longest_list(flows):
    return max(line.count("conjunction(") for line in flows.splitlines())


def upcall_us(v):
    """Processor time of vswitchd for each packet that no cached flow knows.  Without
    megaflows that is the first packet of every connection."""
    places = {p.name: p for p in probing.pod_places(v.inst)}
    source, target = places["clients/client-0"], places["shop-0/app-0"]
    v.appctl("upcall/disable-megaflows")
    v.appctl("dpif-netdev/pmd-stats-clear")
    before = processes.watch(v.pids())
    # One connection from each port; what is denied is as much work as what is allowed.
    lines = "".join(f"{i} tcp {target.ips[0]} {8000 + i % N_PORTS}\n" for i in range(N_UPCALLS))
    run_command(in_netns(source.netns, [v.inst.program("labpod"), "probe", "300"]), stdin=lines)
    spent = processes.spent(v.pids(), before)["vswitchd_cpu_s"]
    text = v.appctl("dpif-netdev/pmd-stats-show")
    v.appctl("upcall/enable-megaflows")
    upcalls = sum(map(int, re.findall(r"miss with success upcall: (\d+)", text)))
    if not upcalls:
        raise BenchError("no packet missed the cache")
    return 1e6 * spent / upcalls


def probe(v):
    places = {p.name: p for p in probing.pod_places(v.inst)}
    tries = [(places["clients/client-0"], places["shop-3/app-1"], ("tcp", 8000)),
             (places["shop-3/app-0"], places["shop-3/app-1"], ("tcp", 8000))]
    got = [r for r, _ in probing.probe(v.inst, tries, 1.0)]
    if got != ["allowed", "denied"]:
        raise BenchError(f"a wrong answer: {got}")


def measure_virga(ctx, v, kept):
    n = ctx.size(N_POLICIES, 50)
    clear(v)
    figures = {"upcall_us_empty": upcall_us(v)}
    figures["half_seconds"] = realize(v, policies(round(n * SHARES[0]), 1))
    clear(v)
    figures["sets_seconds"] = realize(v, policies(n, 10))
    clear(v)
    before = processes.watch(v.pids())
    figures["seconds"] = realize(v, policies(n, 1))
    figures.update(processes.spent(v.pids(), before))
    kept["flows"] = v.flows()
    figures.update(v.memory(), flows=v.flow_counts()[0],
                   longest_list=longest_list(kept["flows"]),
                   rules_of_namespace=-(-n // N_NAMESPACES), upcall_us=upcall_us(v))
    probe(v)
    return figures


def measure_raw(raw, kept, ports):
    seconds, flows = raw.add_flows(kept["flows"], ports=ports)
    return {"seconds": seconds, "flows": flows, **raw.memory()}


def run(ctx):
    objects = cluster(ctx)
    v, raw, kept = Virga(ctx, objects.nodes), Raw(ctx), {}
    v.load(objects)
    try:
        return ctx.in_turn({"virga": lambda: measure_virga(ctx, v, kept),
                            "raw": lambda: measure_raw(raw, kept, v.n_pod_ports())})
    finally:
        v.close()
