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

"tiers" are worlds with policies of three tiers for the pods of namespace a, in
one direction: up to two rules of tier Admin, a NetworkPolicy, and tier Baseline:

  admin        none, or one or two of {Accept, Deny, Pass} x {all, namespace b}
               x {no ports, 80}                                    1 + 12 + 12^2
  NetworkPolicy  none, one without rules, one that allows namespace b, or 80    4
  baseline     none, Deny all, Deny namespace b, Accept 80 and Deny all         4

for both directions 2 * 157 * 4 * 4 = 5024.

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


# --- Tiers ---------------------------------------------------------------------

CLUSTER_API = "policy.networking.k8s.io/v1alpha2"
ADMIN_RULES = list(itertools.product(["Accept", "Deny", "Pass"], ["all", "b"], [False, True]))
NETWORK_POLICIES = [None, [], [("b", False)], [("all", True)]]
BASELINES = [None, [("Deny", "all", False)], [("Deny", "b", False)],
             [("Accept", "all", True), ("Deny", "all", False)]]


def tiers():
    """(direction, admin rules, NetworkPolicy, baseline)"""
    admins = [[], *([one] for one in ADMIN_RULES),
              *(list(two) for two in itertools.product(ADMIN_RULES, repeat=2))]
    return itertools.product(SIDES, admins, NETWORK_POLICIES, BASELINES)


def namespace_peer(world, who):
    return {} if who == "all" else {"matchLabels": {"ns": f"b-{world}"}}


def cluster_policy(world, tier, side, chosen):
    kind, key = side
    made = []
    for action, who, port in chosen:
        rule = {"action": action, key: [{"namespaces": namespace_peer(world, who)}]}
        if port:
            rule["protocols"] = [{"tcp": {"destinationPort": {"number": 80}}}]
        made.append(rule)
    return {"apiVersion": CLUSTER_API, "kind": "ClusterNetworkPolicy",
            "metadata": {"name": f"w{world:02}-{tier.lower()}"},
            "spec": {"tier": tier, "priority": 10, kind.lower(): made,
                     "subject": {"namespaces": {"matchLabels": {"ns": f"a-{world}"}}}}}


def tier_policies(world, choice):
    side, admin, network_policy, baseline = choice
    kind, key = side
    made = [cluster_policy(world, "Admin", side, admin)] if admin else []
    if network_policy is not None:
        rules_ = [{**({key: [{"namespaceSelector": namespace_peer(world, who)}]}),
                   **({"ports": [{"port": 80}]} if port else {})}
                  for who, port in network_policy]
        made.append(proof.policy(name(world, "a"), "policy",
                                 {"podSelector": {}, "policyTypes": [kind],
                                  kind.lower(): rules_}))
    return made + ([cluster_policy(world, "Baseline", side, baseline)] if baseline else [])


# --- Worlds --------------------------------------------------------------------

def address(world, i, j):
    return f"10.200.{2 * world + i}.{10 + j}"


def policies_of(world, choice):
    return tier_policies(world, choice) if len(choice) == 4 else [policy(world, choice)]


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
    return made + policies_of(world, choice)


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
    shown = proof.manifest([one for world in broken[:3]
                            for one in policies_of(world, choices[world])])
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


def run(judge, report, policies, pairs, mixed):
    run_all(judge, report, "policies", one_rule(), policies)
    run_all(judge, report, "pairs", two_rules(), pairs)
    run_all(judge, report, "tiers", tiers(), mixed)
