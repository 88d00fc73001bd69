"""Whether the tests can fail: faults on purpose, which must be found.

A fault in the model (each a mistake that implementations of NetworkPolicy have
made) must disagree with the verdicts of some random cluster.  A flow that is
left out must be noticed in the clusters where it matters."""
import contextlib
import random
import re

import generator
import ordered_mutants
import policy_model
import proof
from policy_model import Cluster

MUTANTS = {}
REAL = {name: getattr(policy_model, name)
        for name in ("satisfies", "selects", "container_port", "is_on_pod_network",
                     "is_completed", "policy_types")}
PEER, PORT, RULE, VERDICT = (Cluster.peer_matches, Cluster.port_matches,
                             Cluster.rule_matches, Cluster.verdict)


def mutant(target, attribute):
    def note(function):
        MUTANTS[function.__name__.replace("_", "-")] = (target, attribute, function)
        return function
    return note


@mutant(policy_model, "satisfies")
def not_in_needs_the_key(labels, requirement):
    if requirement["operator"] == "NotIn" and requirement["key"] not in labels:
        return False
    return REAL["satisfies"](labels, requirement)


@mutant(policy_model, "selects")
def empty_value_is_an_absent_key(selector, labels):
    filled = {key: "" for key in selector.get("matchLabels") or {}}
    return REAL["selects"](selector, {**filled, **labels})


@mutant(policy_model, "selects")
def any_requirement_is_enough(selector, labels):
    every = selector.get("matchExpressions") or []
    return (REAL["selects"](dict(selector, matchExpressions=[]), labels)
            and (not every or any(REAL["satisfies"](labels, one) for one in every)))


@mutant(policy_model, "container_port")
def name_without_protocol(pod, name, _):
    return next((number for protocol in generator.PROTOCOLS
                 for number in [REAL["container_port"](pod, name, protocol)] if number), None)


@mutant(policy_model, "container_port")
def sidecars_have_no_names(pod, name, protocol):
    spec = dict(pod["spec"], initContainers=[])
    return REAL["container_port"](dict(pod, spec=spec), name, protocol)


@mutant(policy_model, "container_port")
def init_containers_have_names(pod, name, protocol):
    spec = dict(pod["spec"], initContainers=[dict(c, restartPolicy="Always") for c in
                                             pod["spec"].get("initContainers") or []])
    return REAL["container_port"](dict(pod, spec=spec), name, protocol)


@mutant(policy_model, "container_port")
def last_container_of_a_name(pod, name, protocol):
    spec = dict(pod["spec"], containers=list(reversed(pod["spec"]["containers"])))
    return REAL["container_port"](dict(pod, spec=spec), name, protocol)


@mutant(policy_model, "policy_types")
def default_is_ingress_only(spec):
    return spec.get("policyTypes") or ["Ingress"]


@mutant(policy_model, "policy_types")
def rules_isolate(spec):
    return REAL["policy_types"](spec) + [kind for kind in ("Ingress", "Egress")
                                         if spec.get(kind.lower())]


@mutant(policy_model, "policy_types")
def no_rules_no_isolation(spec):
    return [kind for kind in REAL["policy_types"](spec) if spec.get(kind.lower())]


@mutant(Cluster, "add_pod")
def last_owner_of_an_address_is_completed(self, pod):
    if not pod["spec"].get("hostNetwork") and policy_model.ips_of(pod):
        self.pods[policy_model.ips_of(pod)[0]] = pod


@mutant(Cluster, "add_pod")
def host_network_pods_are_peers(self, pod):
    if not REAL["is_completed"](pod) and policy_model.ips_of(pod):
        self.pods[policy_model.ips_of(pod)[0]] = pod


@mutant(Cluster, "peer_matches")
def except_is_ignored(self, policy, peer, ip):
    if "ipBlock" in peer:
        peer = {"ipBlock": {"cidr": peer["ipBlock"]["cidr"]}}
    return PEER(self, policy, peer, ip)


@mutant(Cluster, "peer_matches")
def a_block_of_all_has_both_families(self, policy, peer, ip):
    if peer.get("ipBlock", {}).get("cidr") in ("0.0.0.0/0", "::/0"):
        blocks = [dict(peer["ipBlock"], cidr=cidr) for cidr in ("0.0.0.0/0", "::/0")]
        return any(PEER(self, policy, {"ipBlock": block}, ip) for block in blocks)
    return PEER(self, policy, peer, ip)


@mutant(Cluster, "add_pod")
def only_the_first_address_counts(self, pod):
    if policy_model.is_on_pod_network(pod):
        self.pods[policy_model.ips_of(pod)[0]] = pod


@mutant(Cluster, "peer_matches")
def ip_block_is_never_a_pod(self, policy, peer, ip):
    return not ("ipBlock" in peer and ip in self.pods) and PEER(self, policy, peer, ip)


@mutant(Cluster, "peer_matches")
def ip_block_is_never_a_node(self, policy, peer, ip):
    return not ("ipBlock" in peer and ip in self.node_by_ip) and PEER(self, policy, peer, ip)


@mutant(Cluster, "peer_matches")
def pod_selector_of_all_namespaces(self, policy, peer, ip):
    if "ipBlock" not in peer:
        peer = {"namespaceSelector": {}, **peer}
    return PEER(self, policy, peer, ip)


@mutant(Cluster, "peer_matches")
def both_selectors_are_two_peers(self, policy, peer, ip):
    if "podSelector" in peer and "namespaceSelector" in peer:
        return any(PEER(self, policy, {key: peer[key]}, ip) for key in peer)
    return PEER(self, policy, peer, ip)


@mutant(Cluster, "peer_matches")
def empty_namespace_selector_is_the_own(self, policy, peer, ip):
    return PEER(self, policy, {k: v for k, v in peer.items() if v != {} or k == "podSelector"}, ip)


@mutant(Cluster, "port_matches")
def end_port_is_ignored(self, port, peer, connection):
    return PORT(self, {k: v for k, v in port.items() if k != "endPort"}, peer, connection)


@mutant(Cluster, "port_matches")
def no_protocol_is_any_protocol(self, port, peer, connection):
    if connection.protocol == "ICMP":
        return False
    return PORT(self, {"protocol": connection.protocol, **port}, peer, connection)


@mutant(Cluster, "port_matches")
def sctp_is_tcp(self, port, peer, connection):
    if port.get("protocol") == "SCTP" and connection.protocol == "TCP":
        port = dict(port, protocol="TCP")
    return PORT(self, port, peer, connection)


@mutant(Cluster, "port_matches")
def block_of_addresses_has_names(self, port, _, connection):
    return PORT(self, port, None, connection)


@mutant(Cluster, "port_matches")
def name_of_the_policys_pod(self, port, peer, connection):
    if isinstance(port.get("port"), str):
        number = policy_model.container_port(connection.subject, port["port"],
                                             port.get("protocol", "TCP"))
        if number is None:
            return False
        port = dict(port, port=number)
    return PORT(self, port, peer, connection)


@mutant(Cluster, "rule_matches")
def empty_list_of_peers_is_nobody(self, policy, rule, connection):
    key = "from" if connection.direction == "Ingress" else "to"
    return rule.get(key) != [] and RULE(self, policy, rule, connection)


@mutant(Cluster, "rule_matches")
def no_ports_is_no_icmp(self, policy, rule, connection):
    return connection.protocol != "ICMP" and RULE(self, policy, rule, connection)


@mutant(Cluster, "rule_matches")
def except_cuts_other_peers(self, policy, rule, connection):
    peers = rule.get("from" if connection.direction == "Ingress" else "to") or []
    cut = any(policy_model.address_of(connection.other) in policy_model.network_of(cidr)
              for peer in peers for cidr in peer.get("ipBlock", {}).get("except") or [])
    return not cut and RULE(self, policy, rule, connection)


@mutant(Cluster, "allows")
def policies_intersect(self, policies, direction, connection):
    return all(any(self.rule_matches(policy, rule, connection)
                   for rule in policy["spec"].get(direction.lower()) or [])
               for policy in policies)


@mutant(Cluster, "allows")
def only_the_first_rule_counts(self, policies, direction, connection):
    return any(self.rule_matches(policy, rule, connection)
               for policy in policies
               for rule in (policy["spec"].get(direction.lower()) or [])[:1])


@mutant(Cluster, "verdict")
def egress_is_not_enforced(self, *cell):
    return "allow", VERDICT(self, *cell)[1]


@mutant(Cluster, "verdict")
def ingress_is_not_enforced(self, *cell):
    return VERDICT(self, *cell)[0], "allow"


@mutant(Cluster, "verdict")
def node_is_a_stranger_to_its_pods(self, source, destination, protocol, port):
    return (self.decide("Egress", source, destination, protocol, port),
            self.decide("Ingress", destination, source, protocol, port))


@mutant(Cluster, "verdict")
def every_node_reaches_every_pod(self, *cell):
    return ("allow", "allow") if cell[0] in self.node_by_ip else VERDICT(self, *cell)


@mutant(Cluster, "verdict")
def pod_always_reaches_its_node(self, source, destination, protocol, port):
    egress, ingress = VERDICT(self, source, destination, protocol, port)
    pod = self.pods.get(source)
    own = pod is not None and self.node_by_ip.get(destination) == pod["spec"]["nodeName"]
    return "allow" if own else egress, ingress


ordered_mutants.register(MUTANTS)


@contextlib.contextmanager
def planted(name):
    target, attribute, function = MUTANTS[name]
    real = getattr(target, attribute)
    setattr(target, attribute, function)
    try:
        yield
    finally:
        setattr(target, attribute, real)


def expected(objects, cells):
    cluster = Cluster(objects)
    return [proof.letter(cluster.verdict(*cell)) for cell in cells]


def finder(clusters, name):
    """The first seed whose cluster finds the mutant, None if none does.  The
    evaluator stands for the packets, which agree with it in random clusters."""
    with planted(name):
        return next((seed for seed, objects, cells, judged, _ in clusters
                     if expected(objects, cells) != judged), None)


def without_a_flow(flows, chance):
    """Flows without one of those that policies made; None if there are none."""
    lines = flows.splitlines(keepends=True)
    made = [i for i, line in enumerate(lines)
            if re.search(r'table="(e|in)gress_(admin|group|np|baseline)"',
                         line.partition(" actions=")[0])
            and not line.startswith("cookie=0x5601")]
    if not made:
        return None
    del lines[chance.choice(made)]
    return "".join(lines)


def flow_mutants(judge, clusters):
    """(found, planted): one flow of one node left out of each cluster."""
    found = n = 0
    real = proof.flows_of
    for seed, objects, cells, _, observed in clusters:
        chance = random.Random(seed)
        victim = chance.choice(sorted(proof.NODES))
        broken = []

        def flows_of(path, name):
            flows = real(path, name)
            less = without_a_flow(flows, chance) if name == victim else None
            broken.extend([True] if less else [])
            return less or flows

        proof.flows_of = flows_of
        try:
            now = judge.observe(objects, cells)
        finally:
            proof.flows_of = real
        n += bool(broken)
        found += bool(broken) and now != observed
    return found, n


def run(judge, report, count):
    clusters = []
    for seed in range(1, count + 1):
        report.progress(f"mutants: cluster {seed} of {count}")
        objects, cells = generator.cluster(seed)
        observed = judge.observe(objects, cells)
        clusters.append((seed, objects, cells,
                         proof.evaluated(judge.write(objects), cells), observed))
    for name in sorted(MUTANTS):
        seed = finder(clusters, name)
        report.check(f"mutant-{name}", [] if seed else
                     [f"  no random cluster of the seeds 1 to {count} finds this fault"])
    found, n = flow_mutants(judge, clusters)
    # Some flows matter to connections that were not tried only, or to none.
    report.check(f"mutant-flows-left-out-{found}-of-{n}-found",
                 [] if n and found * 3 >= n else ["  too few"])
