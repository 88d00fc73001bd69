"""ClusterNetworkPolicy and its forerunners on packets: the shapes of the upstream conformance
tests, whose short names stand at each, and what those leave out.  Denied is always silence."""
import json
import socket

from e2elib.cluster_objects import (API, BANPS, CNPS, cnp, incoming, of, outgoing, pods_of)
from e2elib.harness import LabError, allowed, cluster, denied, wait_until
from e2elib.objects import namespace, pod, policy
from e2elib.runner import check, equal, test
from e2elib.wire import Connection, Ear, open_socket
from revocation_tests import expect_cut, unharmed, wait_idle

PORTS = {"TCP": (80, 8080), "UDP": (53, 5353), "SCTP": (9003, 9005)}
ALL_PORTS = [f"{n}/{p}" for p, numbers in PORTS.items() for n in numbers]
NAMES = {"80/TCP": "web", "53/UDP": "dns"}
HOUSES = ("red", "green", "blue")


def house_pod(name, node):
    obj = pod(name, node, ALL_PORTS, house=name.partition("/")[0])
    for port in obj["spec"]["containers"][0]["ports"]:
        known = NAMES.get(f"{port['containerPort']}/{port['protocol']}")
        port.update({"name": known} if known else {})
    return obj


def stage(lab, *more):
    """Three namespaces with a pod on each node."""
    lab.apply(*[namespace(h, house=h) for h in HOUSES],
              *[house_pod(f"{h}/{i}", f"node-{i}") for h in HOUSES for i in (1, 2)], *more)


def cells(source, destination, port, result):
    """All pods of one namespace to all of another; 'red/1' is one pod."""
    def members(house):
        return [house] if "/" in house else [f"{house}/{i}" for i in (1, 2)]
    return [(s, d, port, result) for s in members(source) for d in members(destination)]


def expect(lab, closed=(), opened=(), between=("red", "green"), ports=None):
    """Between two namespaces: the ports of 'closed' are, all others are not."""
    table = []
    for port in ports or ALL_PORTS:
        shut = port in closed or any(port.endswith(c) for c in closed if c.startswith("/"))
        result = "denied" if shut and port not in opened else "allowed"
        table += cells(*between, port, result)
    lab.expect(table)


def put(lab, obj):
    """Creates or changes, and every node has applied it."""
    lab.apply(obj)


EVERYTHING = ("/TCP", "/UDP", "/SCTP")


def try_directions(lab, tier, egress):
    """CNP{Admin,Baseline}Tier{Ingress,Egress}{TCP,UDP,SCTP}: order, then ports, in the three
    protocols at once.  Subject is green for ingress, red for egress."""
    make = outgoing if egress else incoming
    subject, peer = (of("red"), of("green")) if egress else (of("green"), of("red"))

    def rules(*actions):
        rules_ = [make(action, peer, *ports) for action, *ports in actions]
        put(lab, cnp("shape", tier, 50, subject, **{"egress" if egress else "ingress": rules_}))

    rules(("Accept",), ("Deny",))
    expect(lab)
    rules(("Deny",), ("Accept",))
    expect(lab, closed=EVERYTHING)
    if tier == "Admin":
        rules(("Pass",), ("Deny",))
        expect(lab)
    first = [f"{numbers[0]}/{p}" for p, numbers in PORTS.items()]
    second = [f"{numbers[1]}/{p}" for p, numbers in PORTS.items()]
    rules(("Accept", *first), ("Deny",))
    expect(lab, closed=second)
    rules(("Deny", *first), ("Accept",))
    expect(lab, closed=first)
    rules(("Pass", *second), ("Deny", *first, *second))
    expect(lab, closed=first)


@test
def cluster_admin_ingress(lab):
    """CNPAdminTierIngress{TCP,UDP,SCTP}"""
    stage(lab)
    try_directions(lab, "Admin", egress=False)


@test
def cluster_admin_egress(lab):
    """CNPAdminTierEgress{TCP,UDP,SCTP}"""
    stage(lab)
    try_directions(lab, "Admin", egress=True)


@test
def cluster_baseline_ingress(lab):
    """CNPBaselineTierIngress{TCP,UDP,SCTP}"""
    stage(lab)
    try_directions(lab, "Baseline", egress=False)


@test
def cluster_baseline_egress(lab):
    """CNPBaselineTierEgress{TCP,UDP,SCTP}"""
    stage(lab)
    try_directions(lab, "Baseline", egress=True)


@test
def cluster_gress(lab):
    """CNPAdminTierGress, CNPBaselineTierGress: both directions in one object, three protocols in
    one list."""
    stage(lab)
    for tier in ("Admin", "Baseline"):
        put(lab, cnp("gress", tier, 15, of("red"),
                     ingress=[incoming("Accept", of("green"), "80/TCP", "53/UDP", "9003/SCTP"),
                              incoming("Deny", of("green"))],
                     egress=[outgoing("Accept", of("blue"), "8000-8080/TCP", "5300-5400/UDP",
                                      "9004-9005/SCTP"),
                             outgoing("Deny", of("blue"))]))
        expect(lab, closed=("8080/TCP", "5353/UDP", "9005/SCTP"), between=("green", "red"))
        expect(lab, closed=("80/TCP", "53/UDP", "9003/SCTP"), between=("red", "blue"))
        # Conntrack knows no ports of SCTP: what went one way is the way of replies now.
        back = [p for p in ALL_PORTS if not p.endswith("SCTP")]
        expect(lab, between=("red", "green"), ports=back)
        expect(lab, between=("blue", "red"), ports=back)


@test
def cluster_networks_match_pods(lab):
    """CNPAdminTierEgressInlineCIDRPeers, CNPBaselineTierEgressInlineCIDRPeers"""
    stage(lab)
    everywhere = {"networks": ["0.0.0.0/0", "::/0"]}
    for tier in ("Admin", "Baseline"):
        put(lab, cnp("cidr", tier, 30, of("red"), egress=[
            outgoing("Accept", of(house="green")), outgoing("Deny", everywhere)]))
        lab.expect(cells("red", "green", 80, "allowed") + cells("red", "blue", 80, "denied")
                   + denied(("red/1", "world", 80), ("red/2", "world", 80)))
        # Relabelling the namespace closes and opens.
        for label, result in (("none", "denied"), ("green", "allowed")):
            lab.patch("/api/v1/namespaces/green", {"metadata": {"labels": {"house": label}}})
            lab.expect(cells("red", "green", 80, result))
        two = {"networks": [f"{lab.ip('blue/1')}/32", f"{lab.ip('green/2')}/32"]}
        put(lab, cnp("cidr", tier, 30, of("red"), egress=[
            outgoing("Accept", two), outgoing("Deny", everywhere)]))
        lab.expect(cells("red", "blue/1", 80, "allowed") + cells("red", "green/2", 80, "allowed")
                   + cells("red", "blue/2", 80, "denied") + cells("red", "green/1", 80, "denied"))


@test
def cluster_priority(lab):
    """CNPAdminTierPriorityField: the number decides, and a patch of it does at once."""
    stage(lab, cnp("old", "Admin", 50, of("red"), [incoming("Deny", of())],
                   [outgoing("Deny", of())]),
          cnp("new", "Admin", 60, of("red"), [incoming("Pass", of())], [outgoing("Pass", of())]),
          cnp("default", "Baseline", 0, of("red"), [incoming("Accept", of())],
              [outgoing("Accept", of())]))
    lab.expect(cells("red", "green", 80, "denied") + cells("green", "red", 80, "denied"))
    lab.patch(f"{CNPS}/new", {"spec": {"priority": 40}})
    lab.expect(cells("red", "green", 80, "allowed") + cells("green", "red", 80, "allowed"))


@test
def cluster_tiers_and_network_policy(lab):
    """CNPAdminTierIntegration: Admin, then NetworkPolicy, then Baseline."""
    stage(lab, cnp("admin", "Admin", 10, of("red"), [incoming("Deny", of("green"))]),
          cnp("base", "Baseline", 10, of("red"), [incoming("Deny", of("green"))]),
          policy("red/open", ingress=[{}]))
    lab.expect(cells("green", "red", 80, "denied") + cells("blue", "red", 80, "allowed"))
    put(lab, cnp("admin", "Admin", 10, of("red"), [incoming("Pass", of("green"))]))
    lab.expect(cells("green", "red", 80, "allowed") + cells("blue", "red", 80, "allowed"))
    lab.delete("networkpolicy", "red/open")
    lab.expect(cells("green", "red", 80, "denied") + cells("blue", "red", 80, "allowed"))
    # A NetworkPolicy of the other direction leaves this one to Baseline.
    put(lab, policy("red/out", egress=[{}]))
    lab.expect(cells("green", "red", 80, "denied") + cells("red", "green", 80, "allowed"))


@test
def cluster_named_ports(lab):
    """CNP{Admin,Baseline}Tier{Ingress,Egress}NamedPort"""
    stage(lab)
    for tier in ("Admin", "Baseline"):
        put(lab, cnp("named", tier, 7, of("red"),
                     [incoming("Accept", of("green"), "web", "dns"),
                      incoming("Deny", of("green"))],
                     [outgoing("Accept", of("blue"), "web"),
                      outgoing("Deny", of("blue"), "/TCP", "dns")]))
        expect(lab, closed=EVERYTHING, opened=("80/TCP", "53/UDP"), between=("green", "red"))
        expect(lab, closed=("8080/TCP", "53/UDP"), between=("red", "blue"))


@test
def cluster_node_peers(lab):
    """CNP{Admin,Baseline}TierEgressNodePeers: by the addresses of the nodes that labels select."""
    stage(lab)
    nodes = ("node-1", "node-2")
    for node in nodes:
        cluster.start_listener(lab.inst, f"peer-{node}", lab.inst.netns(node), node,
                               ["tcp:36363", "tcp:36364", "udp:34346", "udp:34347"])
    try:
        for tier in ("Admin", "Baseline"):
            put(lab, cnp("nodes", tier, 20, of("red"), egress=[
                outgoing("Accept", {"nodes": {}}, "36360-36363/TCP"),
                outgoing("Pass", {"nodes": {}}, "34346/UDP"),
                outgoing("Deny", {"nodes": {}})]))
            for node in nodes:
                lab.expect(cells("red", "green", 80, "allowed")
                           + [(f"red/{i}", node, port, result) for i in (1, 2)
                              for port, result in (("36363/TCP", "allowed"),
                                                   ("36364/TCP", "denied"),
                                                   ("34346/UDP", "allowed"),
                                                   ("34347/UDP", "denied"))])
        put(lab, cnp("nodes", "Admin", 20, of("red"), egress=[
            outgoing("Deny", {"nodes": {"matchLabels": {"role": "shut"}}})]))
        lab.expect(allowed(("red/1", "node-2", 36363), ("red/2", "node-2", 36363)))
        lab.patch("/api/v1/nodes/node-2", {"metadata": {"labels": {"role": "shut"}}})
        lab.expect(denied(("red/1", "node-2", 36363), ("red/2", "node-2", 36363))
                   + allowed(("red/1", "node-1", 36363), ("red/2", "node-1", 36363)))
        lab.patch("/api/v1/nodes/node-2", {"metadata": {"labels": {"role": None}}})
        lab.expect(allowed(("red/1", "node-2", 36363), ("red/2", "node-2", 36363)))
    finally:
        for node in nodes:
            cluster.stop_listener(lab.inst, f"peer-{node}")


# What upstream leaves out.


@test
def cluster_pass_in_baseline(lab):
    """Pass ends the tier: the default decides."""
    stage(lab, cnp("first", "Baseline", 1, of("red"), [incoming("Pass", of("green"))]),
          cnp("second", "Baseline", 2, of("red"), [incoming("Deny", of())]))
    lab.expect(cells("green", "red", 80, "allowed") + cells("blue", "red", 80, "denied"))


@test
def cluster_older_kinds(lab):
    """AdminNetworkPolicy over NetworkPolicy over BaselineAdminNetworkPolicy."""
    def older(kind, name, spec):
        return {"apiVersion": f"{API}/v1alpha1", "kind": kind, "metadata": {"name": name},
                "spec": {"subject": of("red"), **spec}}

    stage(lab, older("AdminNetworkPolicy", "a", {"priority": 3, "ingress": [
        {"action": "Allow", "from": [of("green")], "ports": [{"portNumber": {"port": 80}}]},
        {"action": "Deny", "from": [of("green")],
         "ports": [{"portRange": {"start": 1, "end": 9000}}, {"namedPort": "dns"}]}]}),
        older("BaselineAdminNetworkPolicy", "default", {"ingress": [
            {"action": "Deny", "from": [of()]}]}))
    expect(lab, closed=EVERYTHING, opened=("80/TCP",), between=("green", "red"))
    put(lab, policy("red/open", ingress=[{}]))
    expect(lab, closed=("8080/TCP", "53/UDP"), between=("green", "red"))
    expect(lab, between=("blue", "red"))
    lab.delete("banp", "default")
    lab.delete("networkpolicy", "red/open")
    expect(lab, closed=("8080/TCP", "53/UDP"), between=("green", "red"))


@test
def cluster_self_and_own_node(lab):
    """A pod always reaches itself, a node its own pods; other nodes are nobody's pods."""
    stage(lab, cnp("all", "Admin", 1, of(), [incoming("Deny", of())],
                   [outgoing("Deny", {"networks": ["0.0.0.0/0"]})]))
    lab.expect(allowed(("red/1", "red/1", 80), ("node-1", "red/1", 80), ("node-2", "red/1", 80))
               + denied(("red/1", "green/1", 80), ("red/1", "node-1", 80)))


@test
def cluster_deny_cuts_established(lab):
    """A Deny ends what it denies, at once, and nothing else; also a Pass to a NetworkPolicy, a
    change of priority, and a namespace that loses its label."""
    stage(lab)

    def cut(change, victims=(("green/1", "red/1"), ("green/2", "red/1"))):
        connections = [(f"{s} to {d}", Connection(lab.netns(s), lab.ip(d), 80))
                       for s, d in victims]
        friend = Connection(lab.netns("blue/2"), lab.ip("red/1"), 80)
        with unharmed([("the friend", friend)]):
            change()
            expect_cut(lab, connections, "after the change")
        for _, c in [*connections, ("", friend)]:
            c.close()

    cut(lambda: put(lab, cnp("p", "Admin", 5, of("red"), [incoming("Deny", of(house="green"))])))
    lab.patch("/api/v1/namespaces/green", {"metadata": {"labels": {"house": "x"}}})
    cut(lambda: lab.patch("/api/v1/namespaces/green", {"metadata": {"labels": {"house": "green"}}}))
    put(lab, cnp("q", "Admin", 4, of("red"), [incoming("Accept", of("green"))]))
    cut(lambda: lab.patch(f"{CNPS}/q", {"spec": {"priority": 6}}))
    put(lab, cnp("p", "Admin", 5, of("red"), [incoming("Accept", of("green"))]))
    put(lab, policy("red/shut", ingress=[{"from": [{"namespaceSelector": {
        "matchLabels": {"house": "blue"}}}]}]))
    lab.delete("cnp", "q")
    cut(lambda: put(lab, cnp("p", "Admin", 5, of("red"), [incoming("Pass", of("green"))])))


@test
def cluster_reordering_keeps_connections(lab):
    """A policy between two others, and another order without another verdict, disturb nobody."""
    stage(lab, cnp("a", "Admin", 10, of("red"), [incoming("Accept", of("green"), "80/TCP")]),
          cnp("c", "Admin", 30, of("red"), [incoming("Deny", of("green"))]))
    connections = [(s, Connection(lab.netns(s), lab.ip("red/1"), 80))
                   for s in ("green/1", "green/2", "blue/2")]
    with unharmed(connections):
        put(lab, cnp("b", "Admin", 20, of("red"), [incoming("Pass", of("blue"))]))
        lab.patch(f"{CNPS}/a", {"spec": {"priority": 25}})
        put(lab, cnp("a", "Admin", 25, of("red"), [incoming("Deny", of("green"), "81/TCP"),
                                                   incoming("Accept", of("green"), "80/TCP")]))
        wait_idle(lab)
    for _, c in connections:
        c.close()


def condition(lab, path, kind):
    """The condition of this type: (status, reason, message)."""
    conditions = (lab.api.get(path).get("status") or {}).get("conditions", [])
    return next(((c["status"], c["reason"], c["message"]) for c in conditions
                 if c["type"] == kind), None)


@test
def cluster_status(lab):
    """How many nodes enforce a policy, told with few writes; a node that is away shows."""
    stage(lab, cnp("p", "Admin", 5, of("red"), [incoming("Deny", of("green"))]))
    good = ("True", "InForce", "in force on 2 of 2 nodes")
    wait_until(lambda: condition(lab, f"{CNPS}/p", "virga.dev/Realized") == good, 10, "status")
    obj = lab.api.get(f"{CNPS}/p")
    equal(obj["status"]["conditions"][0]["observedGeneration"], 1, "observed generation")
    version = obj["metadata"]["resourceVersion"]
    lab.apply(house_pod("red/more", "node-1"))
    lab.patch("/api/v1/namespaces/green", {"metadata": {"labels": {"x": "y"}}})
    equal(lab.api.get(f"{CNPS}/p")["metadata"]["resourceVersion"], version,
          "the policy's version after changes that do not concern it")
    lab.run("kill", "agent", "node-2")
    lab.api.merge(f"{CNPS}/p", {"spec": {"priority": 6}})
    wait_until(lambda: (condition(lab, f"{CNPS}/p", "virga.dev/Realized") or ("",))[0] == "False",
               20, "the status of a policy that node-2 does not have")
    check("in force on 1 of 2 nodes; node-2 " in
          condition(lab, f"{CNPS}/p", "virga.dev/Realized")[2], "which node is missing")
    lab.run("start", "agent", "node-2")
    wait_until(lambda: condition(lab, f"{CNPS}/p", "virga.dev/Realized") == good, 20, "status")
    table = lab.ctl("get", "cnp").stdout
    check("InForce" in table and "Admin" in table, table)


@test
def cluster_unknown_field_fails_closed(lab):
    """What this version does not know allows nothing and denies everything, and says so."""
    stage(lab, cnp("p", "Admin", 5, of("red"),
                   [incoming("Accept", [{"vms": {}}, of("green")]),
                    incoming("Deny", of("green"), "80/TCP")]))
    lab.expect(cells("green", "red", 80, "denied") + cells("green", "red", 8080, "allowed"))
    equal(condition(lab, f"{CNPS}/p", "virga.dev/NetworkReady")[:2], ("False", "UnknownField"),
          "the condition")
    put(lab, cnp("p", "Admin", 5, of("red"), [incoming("Pass", {"vms": {}})]))
    lab.expect(cells("green", "red", 8080, "denied") + cells("blue", "red", 80, "denied")
               + denied(("world", "red/1", 80)))
    put(lab, cnp("p", "Admin", 5, of("red"), [incoming("Pass", of("green"))]))
    lab.expect(cells("green", "red", 80, "allowed"))
    equal(condition(lab, f"{CNPS}/p", "virga.dev/NetworkReady")[0], "True", "the condition")


@test
def cluster_bad_input(lab):
    """The API and the command line refuse what the definitions do, at the same fields."""
    bad = cnp("bad", "Admin", 1001, of("red"), egress=[
        outgoing("Deny", {"networks": ["10.0.0.0/8"]}, "web")])
    try:
        lab.api.call("POST", CNPS, bad)
        check(False, "the API took it")
    except LabError as e:
        check("spec.priority" in str(e) and "spec.egress[0]" in str(e), str(e))
    path = lab.write(json.dumps(bad))
    for mode in ("client", "server"):
        done = lab.ctl("apply", "-f", path, f"--dry-run={mode}", check_status=False)
        equal(done.returncode, 1, f"exit of --dry-run={mode}")
        check("spec.priority" in done.stderr and "spec.egress[0]" in done.stderr, done.stderr)
    try:
        lab.api.call("POST", BANPS, {"apiVersion": f"{API}/v1alpha1",
                                     "kind": "BaselineAdminNetworkPolicy",
                                     "metadata": {"name": "other"}, "spec": {"subject": of()}})
        check(False, "the API took a second baseline")
    except LabError as e:
        check("metadata.name=\"default\"" in str(e), str(e))


@test
def cluster_statistics(lab):
    """Each rule counts what it decided, by name."""
    stage(lab, cnp("p", "Admin", 5, of("red"), [incoming("Accept", of("green"), "80/TCP"),
                                                incoming("Deny", of("green")),
                                                incoming("Pass", of("blue"))]))
    lab.expect(cells("green", "red", 80, "allowed") + cells("green", "red", 8080, "denied")
               + cells("blue", "red", 80, "allowed"))
    rules = {r["index"]: r for r in lab.api.get("/virga/v1/stats?fresh=true")["rules"]
             if r["policy"] == "ClusterNetworkPolicy//p"}
    equal({i: r["action"] for i, r in rules.items()}, {0: "allow", 1: "deny", 2: "pass"}, "rules")
    equal(rules[0]["hits"], 4, "connections that the Accept let in")
    check(rules[1]["hits"] >= 4, f"the Deny counted {rules[1]['hits']} packets")
    equal(rules[2]["hits"], 4, "connections that the Pass passed")
    shown = lab.ctl("policy", "stats", "ClusterNetworkPolicy/p").stdout
    check("ClusterNetworkPolicy//p" in shown and "pass" in shown, shown)


def send_large(lab, source, destination, port, family):
    """A UDP datagram in fragments, and a small one after it, from one port of the pod."""
    sock = open_socket(lab.netns(source), socket.SOCK_DGRAM,
                       family=socket.AF_INET6 if family == 6 else socket.AF_INET)
    try:
        for size in (4000, 10):
            sock.sendto(b"x" * size, (lab.ip(destination, family), port))
    finally:
        sock.close()


@test
def cnp_denies_ports_to_fragments(lab):
    """A first datagram in fragments neither gets round a Deny of its port nor opens it."""
    lab.apply(namespace("red", {"virga.dev/subnets": "10.203.0.0/24,fd00:203::/64"}, house="red"),
              *[house_pod(f"red/{i}", f"node-{i}") for i in (1, 2)], house_pod("red/3", "node-1"))
    for policies in ([incoming("Deny", of("red"), "53/UDP")], []), \
            ([], [outgoing("Deny", of("red"), "53/UDP")]):
        put(lab, cnp("p", "Admin", 1, of("red"), *policies))
        for source in ("red/2", "red/3"):
            for family in (4, 6):
                with Ear(lab.netns("red/1"), "eth0") as ear:
                    send_large(lab, source, "red/1", 53, family)
                    lab.expect([(source, "red/1", "5353/UDP", "allowed")], family=family)
                heard = [f for f in ear.frames if not f.outgoing and f.protocol in (17, 44)
                         and f.src == lab.ip(source, family) and f.dport != 5353]
                equal(len(heard), 0, f"frames from {source} by IPv{family}")
    lab.delete("cnp", "p")
    for family in (4, 6):
        with Ear(lab.netns("red/1"), "eth0") as ear:
            send_large(lab, "red/2", "red/1", 53, family)
            lab.expect([("red/2", "red/1", "5353/UDP", "allowed")], family=family)
        heard = [f for f in ear.frames if not f.outgoing and f.protocol in (17, 44)
                 and f.src == lab.ip("red/2", family) and f.dport != 5353]
        equal(len(heard), 4, f"frames of an allowed datagram by IPv{family}")
