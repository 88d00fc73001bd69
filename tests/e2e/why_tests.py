"""virgactl why says what packets then do."""
import json

from e2elib.harness import cluster
from e2elib.objects import block_peer, namespace, namespaces_peer, pod, pods_peer, policy, rule
from e2elib.runner import check, equal, test

A, B, C, D = "w/a", "w/b", "w/c", "v/d"
PORTS = ("80/TCP", "81/TCP", "80/UDP")
EXITS = {"allowed": 0, "denied": 1, "rejected": 2}


def stage(lab, *more):
    lab.apply(namespace("w", team="w"), namespace("v", team="v"),
              pod(A, "node-1", PORTS, app="a"), pod(B, "node-2", PORTS, app="b"),
              pod(C, "node-1", PORTS, app="c"), pod(D, "node-2", PORTS, app="d"), *more)


def ask(lab, source, to, port, *options):
    """(verdict, exit code, document)"""
    done = lab.ctl("why", source, to, port, "-o", "json", *options, check_status=False)
    check(done.stdout.startswith("{"), f"why {source} {to} {port}: {done.stderr}")
    document = json.loads(done.stdout)
    return document["verdict"], done.returncode, document


def agree(lab, extra=()):
    """Every pod to every other, and 'extra' pairs, by every port."""
    pods = (A, B, C, D)
    pairs = [(a, b) for a in pods for b in pods if a != b] + list(extra)
    table = []
    for source, to in pairs:
        for port in PORTS:
            end = {"world": cluster.WORLD_IPS[0]}
            verdict, code, _ = ask(lab, end.get(source, source), end.get(to, to), port)
            equal(code, EXITS[verdict], f"exit code of why {source} {to} {port}")
            table.append((source, to, port, verdict))
    check({"allowed", "denied"} <= {row[3] for row in table}, "one verdict for all")
    lab.expect(table, "why says otherwise")


@test
def why_agrees_with_packets(lab):
    stage(lab, policy("w/in", {"app": "a"}, ingress=[
        rule("from", [pods_peer(app="b"), namespaces_peer(team="v")], ["80/TCP"]),
        rule("from", [block_peer("203.0.113.0/24")], ["81/TCP"])]),
        policy("w/out", {"app": "b"}, egress=[
            rule("to", [pods_peer(app="a")]), rule("to", [pods_peer(app="c")], ["80/UDP"])]),
        policy("v/shut", {}, ingress=[]))
    agree(lab, [("world", A), ("world", D), ("node-1", A), ("node-2", A), ("node-2", D),
                (B, "world"), (C, "world")])


@test
def why_names_node_rule_and_reason(lab):
    stage(lab, policy("w/in", {"app": "b"}, ingress=[rule("from", [pods_peer(app="a")],
                                                          ["80/TCP"])]))
    _, _, document = ask(lab, A, B, "80")
    equal(document["egress"]["reason"], "default", "reason of egress")
    equal(document["ingress"]["node"], "node-2", "node of ingress")
    equal((document["ingress"]["rule"]["policy"], document["ingress"]["rule"]["index"]),
          ("NetworkPolicy/w/in", 0), "rule of ingress")
    _, _, document = ask(lab, C, lab.ip(B), "80/TCP")
    equal(document["to"]["name"], B, "name of an address")
    equal(document["ingress"]["rule"]["action"], "isolate", "what denies")
    text = lab.ctl("why", C, B, "80", check_status=False).stdout
    check("ingress of w/b, on node-2: denied" in text and "NetworkPolicy/w/in" in text, text)


@test
def why_works_offline(lab):
    """The same answer from manifests as from the API; no answer is an exit code of its own."""
    shut = policy("w/in", {"app": "b"}, ingress=[])
    stage(lab, shut)
    objects = [*lab.api.get("/api/v1/nodes")["items"], namespace("w"), shut,
               *(dict(lab.get_pod(name)) for name in (A, B))]
    for thing, kind in zip(objects, ("Node", "Node")):
        thing.update(apiVersion="v1", kind=kind)
    for thing in objects[-2:]:
        thing.update(apiVersion="v1", kind="Pod")
    path = lab.write("\n---\n".join(json.dumps(o) for o in objects))
    online, offline = ask(lab, A, B, "80"), ask(lab, A, B, "80", "-f", path)
    equal(offline[:2], online[:2], "verdict and exit code")
    equal(offline[2]["ingress"]["rule"]["text"], online[2]["ingress"]["rule"]["text"], "rule")
    for words in (["w/none", B, "80"], [A, B, "80/ICMP"], [A, B]):
        equal(lab.ctl("why", *words, check_status=False).returncode, 3, f"exit code of {words}")
