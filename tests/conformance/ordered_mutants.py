"""Faults in the model of the ordered policies, for mutants.py."""
import ordered_model
from ordered_model import ADMIN, ALLOW, BASELINE, DENY, GROUP, PASS, REJECT, Groups, Policy
from policy_model import Cluster, address_of, labels_of, network_of

REAL_DECIDE = ordered_model.decide
CLUSTER_RULE, GROUP_RULE = ordered_model.ClusterRule, ordered_model.GroupRule
PEER, GROUP_PEER, PORT = (CLUSTER_RULE.peer_matches, GROUP_RULE.peer_matches,
                          CLUSTER_RULE.port_matches)
DECIDE, HAS, IS_BROKEN = Policy.decide, Groups.has, Groups.is_broken


def with_tiers(order):
    """The tiers asked in another order; "np" is NetworkPolicy."""
    def decide(self, direction, ip, other, protocol, port):
        if ip not in self.pods:
            return "allow"
        pod = self.pods[ip]
        connection = ordered_model.policy_model.Connection(direction, pod, other, protocol, port)
        for tier in order:
            policies = self.chosen(ip, direction) if tier == "np" else None
            if policies:
                return "allow" if self.allows(policies, direction, connection) else "deny"
            word = tier != "np" and ordered_model.decide(self.ordered, tier, direction, pod,
                                                         connection)
            if word:
                return word
        return "allow"
    return decide


def pass_is_final(policies, tier, direction, pod, connection):
    for policy in sorted(policies, key=Policy.order):
        if policy.tier() == tier and policy.has_subject(pod):
            action = policy.decide(direction, connection)
            if action:
                return ALLOW if action == PASS else action
    return None


def pass_goes_to_the_next_policy(policies, tier, direction, pod, connection):
    for policy in sorted(policies, key=Policy.order):
        if policy.tier() == tier and policy.has_subject(pod):
            action = policy.decide(direction, connection)
            if action and action != PASS:
                return action
    return None


def pass_goes_to_the_next_rule(self, direction, connection):
    for rule in self.rules(direction):
        action, everything = rule.in_force()
        if action and action != PASS and (everything or rule.matches(connection)):
            return action
    return None


def the_last_rule_wins(self, direction, connection):
    found = None
    for rule in self.rules(direction):
        action, everything = rule.in_force()
        if action and (everything or rule.matches(connection)):
            found = action
    return found


def deny_before_allow(self, direction, connection):
    actions = [action for rule in self.rules(direction) for action, all_ in [rule.in_force()]
               if action and (all_ or rule.matches(connection))]
    return next((a for a in (DENY, REJECT, PASS, ALLOW) if a in actions), None)


def high_numbers_first(self):
    spec = self.spec.get("priority", ordered_model.LAST_PRIORITY)
    return -spec, self.kind, self.thing["metadata"]["name"]


def baseline_admin_policy_first(self):
    return self.spec.get("priority", -1), self.kind, self.thing["metadata"]["name"]


def rules_isolate_the_subject(policies, tier, direction, pod, connection):
    action = REAL_DECIDE(policies, tier, direction, pod, connection)
    if action is None and tier == BASELINE and any(
            p.tier() == tier and p.has_subject(pod) and p.spec.get(direction.lower())
            for p in policies):
        return DENY
    return action


def dry_run_is_in_force(self, direction):
    for rule in self.spec.get(direction.lower()) or []:
        yield self.rule(direction, rule)


def doubt_is_nothing(self):
    """Fails open."""
    try:
        self.check()
        return self.action, False
    except ordered_model.Doubt:
        return None, True


def pass_in_doubt_passes(self):
    try:
        self.check()
        return self.action, False
    except ordered_model.Doubt:
        return {ALLOW: None, PASS: PASS}.get(self.action, DENY), True


def allow_in_doubt_keeps_known_peers(self):
    action, everything = REAL_IN_FORCE(self)
    if action is None:
        known = getattr(self, "PEERS", None) or {"namespaces", "world"}
        self.peers = [p for p in self.peers or [] if ordered_model.only_key(p) in known]
        return self.action, False
    return action, everything


REAL_IN_FORCE = ordered_model.Rule.in_force


def networks_are_never_pods(self, peer, ip):
    return not ("networks" in peer and ip in self.cluster.pods) and PEER(self, peer, ip)


def nodes_are_never_found(self, peer, ip):
    return "nodes" not in peer and PEER(self, peer, ip)


def any_node_will_do(self, peer, ip):
    return ip in self.cluster.node_by_ip if "nodes" in peer else PEER(self, peer, ip)


def name_is_of_tcp(self, port, connection):
    if ordered_model.only_key(port) in ("destinationNamedPort", "namedPort"):
        return connection.protocol == "TCP" and PORT(self, port, connection)
    return PORT(self, port, connection)


def range_is_its_start(self, port, connection):
    kind = ordered_model.only_key(port)
    if kind == "portRange":
        value = port[kind]
        return PORT(self, {"portNumber": {"protocol": value["protocol"],
                                          "port": value["start"]}}, connection)
    if kind in ("tcp", "udp", "sctp") and "range" in (port[kind].get("destinationPort") or {}):
        first = port[kind]["destinationPort"]["range"]["start"]
        return PORT(self, {kind: {"destinationPort": {"number": first}}}, connection)
    return PORT(self, port, connection)


def nodes_are_the_world(self, peer, ip):
    return ip not in self.cluster.pods if "world" in peer else GROUP_PEER(self, peer, ip)


def pods_are_the_world(self, peer, ip):
    return ip not in self.cluster.node_by_ip if "world" in peer else GROUP_PEER(self, peer, ip)


def no_groups_in_groups(self, name, pod):
    return name in self.groups and self.has_itself(name, pod)


def no_members_by_label(self, name, pod):
    spare = dict(labels_of(pod))
    spare.pop(ordered_model.GROUP_LABEL, None)
    return HAS(self, name, dict(pod, metadata=dict(pod["metadata"], labels=spare)))


def broken_groups_have_no_members(self, name, pod):
    return not IS_BROKEN(self, name) and HAS(self, name, pod)


def broken_groups_are_fine(self, name):
    return name not in self.groups


def broken_below_is_fine(self, name):
    return name not in self.groups or any(
        other not in self.groups for other in self.groups[name].get("groups") or [])


def network_group_without_exceptions(self, name, ip):
    return any(address_of(ip) in network_of(one["cidr"])
               for one in self.networks[name].get("networks") or [])


def exceptions_of_all_networks(self, name, ip):
    networks = self.networks[name].get("networks") or []
    return (network_group_without_exceptions(self, name, ip)
            and not any(address_of(ip) in network_of(cidr)
                        for one in networks for cidr in one.get("except") or []))


def reject_is_deny(self, direction, connection):
    action = DECIDE(self, direction, connection)
    return DENY if action == REJECT else action


# (what to replace, its name, the fault)
FAULTS = [
    (Cluster, "decide", "baseline_before_networkpolicy",
     with_tiers([ADMIN, GROUP, BASELINE, "np"])),
    (Cluster, "decide", "networkpolicy_before_group", with_tiers([ADMIN, "np", GROUP, BASELINE])),
    (Cluster, "decide", "networkpolicy_first", with_tiers(["np", ADMIN, GROUP, BASELINE])),
    (Cluster, "decide", "group_before_admin", with_tiers([GROUP, ADMIN, "np", BASELINE])),
    (ordered_model, "decide", None, pass_is_final),
    (ordered_model, "decide", None, pass_goes_to_the_next_policy),
    (ordered_model, "decide", None, rules_isolate_the_subject),
    (Policy, "decide", None, pass_goes_to_the_next_rule),
    (Policy, "decide", None, the_last_rule_wins),
    (Policy, "decide", None, deny_before_allow),
    (Policy, "decide", None, reject_is_deny),
    (Policy, "order", None, high_numbers_first),
    (Policy, "order", None, baseline_admin_policy_first),
    (Policy, "rules", None, dry_run_is_in_force),
    (ordered_model.Rule, "in_force", None, doubt_is_nothing),
    (ordered_model.Rule, "in_force", None, pass_in_doubt_passes),
    (ordered_model.Rule, "in_force", None, allow_in_doubt_keeps_known_peers),
    (CLUSTER_RULE, "peer_matches", None, networks_are_never_pods),
    (CLUSTER_RULE, "peer_matches", None, nodes_are_never_found),
    (CLUSTER_RULE, "peer_matches", None, any_node_will_do),
    (CLUSTER_RULE, "port_matches", None, name_is_of_tcp),
    (CLUSTER_RULE, "port_matches", None, range_is_its_start),
    (GROUP_RULE, "peer_matches", None, nodes_are_the_world),
    (GROUP_RULE, "peer_matches", None, pods_are_the_world),
    (Groups, "has", None, no_groups_in_groups),
    (Groups, "has", None, no_members_by_label),
    (Groups, "has", None, broken_groups_have_no_members),
    (Groups, "is_broken", None, broken_groups_are_fine),
    (Groups, "is_broken", None, broken_below_is_fine),
    (Groups, "has_address", None, network_group_without_exceptions),
    (Groups, "has_address", None, exceptions_of_all_networks),
]


def register(mutants):
    for target, attribute, name, function in FAULTS:
        mutants[(name or function.__name__).replace("_", "-")] = (target, attribute, function)
