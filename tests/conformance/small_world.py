"""Every policy of a small grammar, in a world small enough to try everything.

A world is two namespaces (label ns: a, b) with two pods each (label pod: a, b)
that listen on two ports.  Policies, in either namespace:

  podSelector    all pods, pod a, pod b                                     3
  policyTypes    Ingress, Egress                                            2
  rules          none, or one of
    peers        no list, or one of: podSelector {absent, {}, a, b} with
                 namespaceSelector {absent, {}, a, b}, not both absent    1+15
    ports        no list, 80, 81, both                                      4

That is 2 * 3 * 2 * (1 + 16 * 4) = 780 "policies", on which every connection is
tried.  "pairs" are two rules in one policy, in one direction or one in each:
2 * 3 * (2 * 64 * 63 / 2 + 65 * 65) = 49542.  One namespaceSelector is by name
and one by label, ports are 80 by number and 81 by name.

Many worlds lie side by side in a cluster: no selector means another world but
the empty one, and connections are tried within a world only.  So they also
see to it that worlds do not disturb each other."""
import itertools
import random

import proof

WORLDS = 32
LETTERS = "ab"
PORTS = [{"containerPort": 80}, {"containerPort": 81, "name": "second"}]
# One protocol more, so that a port is not taken for another protocol's.
TRIED = [("TCP", 80), ("TCP", 81), ("UDP", 80)]


def pod_selectors():
    return [None, {}] + [{"matchLabels": {"pod": letter}} for letter in LETTERS]


def namespace_selectors(world):
    return [None, {}, {"matchLabels": {"ns": f"a-{world}"}},
            {"matchLabels": {"kubernetes.io/metadata.name": name(world, "b")}}]


def name(world, letter):
    return f"w{world:02}{letter}"


def peers(world):
    made = [None]
    for pods, namespaces in itertools.product(pod_selectors(), namespace_selectors(world)):
        peer = {}
        if pods is not None:
            peer["podSelector"] = pods
        if namespaces is not None:
            peer["namespaceSelector"] = namespaces
        if peer:
            made.append([peer])
    return made


def ports():
    numbers = [{"port": 80}, {"port": "second"}]
    return [None, numbers[:1], numbers[1:], numbers]


def rules(world, key):
    made = []
    for some_peers, some_ports in itertools.product(peers(world), ports()):
        rule = {}
        if some_peers:
            rule[key] = some_peers
        if some_ports:
            rule["ports"] = some_ports
        made.append(rule)
    return made


N_RULES = len(peers(0)) * len(ports())
SUBJECTS = list(itertools.product(LETTERS, range(3)))
SIDES = (("Ingress", "from"), ("Egress", "to"))


def one_rule():
    """(subject, [rule numbers per direction or None]) of each policy: none or
    one rule in one direction."""
    for subject in SUBJECTS:
        for direction in range(2):
            for rule in [[]] + [[number] for number in range(N_RULES)]:
                yield subject, [rule, None] if direction == 0 else [None, rule]


def two_rules():
    for subject in SUBJECTS:
        for pair in itertools.combinations(range(N_RULES), 2):
            yield subject, [list(pair), None]
            yield subject, [None, list(pair)]
        either = [[]] + [[number] for number in range(N_RULES)]
        for ingress, egress in itertools.product(either, either):
            yield subject, [ingress, egress]


def policy(world, choice):
    (letter, which), sides = choice
    spec = {"podSelector": pod_selectors()[1 + which], "policyTypes": []}
    for (kind, key), numbers in zip(SIDES, sides):
        if numbers is not None:
            every = rules(world, key)
            spec["policyTypes"].append(kind)
            spec[kind.lower()] = [every[number] for number in numbers]
    return proof.policy(name(world, letter), "policy", spec)


def address(world, i, j):
    return f"10.200.{2 * world + i}.{10 + j}"


def world_objects(world, choice):
    """Pods of a name are on different nodes, so that all ways are gone."""
    nodes = sorted(proof.NODES)
    made = []
    for i, letter in enumerate(LETTERS):
        made.append(proof.namespace(name(world, letter), {"ns": f"{letter}-{world}"},
                                    [f"10.200.{2 * world + i}.0/24"]))
        made += [proof.pod(name(world, letter), label, {"pod": label}, address(world, i, j),
                           nodes[(i + j + world) % 2], PORTS)
                 for j, label in enumerate(LETTERS)]
    return made + [policy(world, choice)]


def world_cells(world):
    pods = [address(world, i, j) for i in range(2) for j in range(2)]
    return [(a, b, *service) for a, b in itertools.permutations(pods, 2) for service in TRIED]


def check(judge, choices):
    """Lines of problems of one cluster of worlds."""
    objects, cells = proof.nodes(), []
    for world, choice in enumerate(choices):
        objects += world_objects(world, choice)
        cells += world_cells(world)
    try:
        wrong = judge.differences(objects, cells)
    except proof.Refused as error:
        return [f"  {error}"]
    if not wrong:
        return []
    owner = {address(w, i, j): w for w in range(len(choices)) for i in range(2) for j in range(2)}
    broken = sorted({owner[cell[0]] for cell, _, _ in wrong})
    shown = proof.manifest([policy(world, choices[world]) for world in broken[:3]])
    return [proof.describe(objects, wrong), *(f"  {line}" for line in shown.splitlines())]


def run_all(judge, report, what, choices, most):
    """'most': a sample of so many, the same each time; None for all."""
    choices = list(choices)
    if most is not None and most < len(choices):
        choices = random.Random(what).sample(choices, most)
    for i in range(0, len(choices), WORLDS):
        report.progress(f"small worlds, {what}: {i} of {len(choices)}")
        part = choices[i:i + WORLDS]
        report.check(f"small-world-{what}-{i + 1}-to-{i + len(part)}-of-{len(choices)}",
                     check(judge, part))


def run(judge, report, policies, pairs):
    run_all(judge, report, "policies", one_rule(), policies)
    run_all(judge, report, "pairs", two_rules(), pairs)
