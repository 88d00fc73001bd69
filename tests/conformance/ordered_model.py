"""What the ordered policies say, from their specifications alone.

ClusterNetworkPolicy (policy.networking.k8s.io/v1alpha2), its forerunners
AdminNetworkPolicy and BaselineAdminNetworkPolicy (v1alpha1), and GroupPolicy with
PolicyGroup and NetworkGroup (docs/policy.md).  A second opinion on the product,
like policy_model.py: it sees objects as they come from YAML.

Each kind's rules are brought to one shape: an action, and the questions whether
a peer and a port match.  A rule that cannot be understood whole fails closed."""
import policy_model
from policy_model import INGRESS, address_of, labels_of, network_of

ADMIN, GROUP, BASELINE = "Admin", "Group", "Baseline"
ALLOW, DENY, REJECT, PASS = "allow", "deny", "reject", "pass"
ACTIONS = {"Accept": ALLOW, "Allow": ALLOW, "Deny": DENY, "Reject": REJECT, "Pass": PASS}
WITH_PORTS = ("TCP", "UDP", "SCTP")
LAST_PRIORITY = 1001                   # Of what stands behind all others.
GROUP_LABEL = "nuage.io/policy-group"


class Doubt(Exception):
    """The rule asks for something that is not known."""


def only_key(peer):
    """A peer has one field; none that is known is none at all."""
    return next(iter(peer)) if len(peer) == 1 else None


# --- Groups ------------------------------------------------------------------

class Groups:
    def __init__(self, cluster):
        self.cluster = cluster
        self.groups, self.networks = {}, {}            # Specs by name

    def below(self, name):
        """The group, and those that it contains however deep, that exist."""
        found, left = set(), [name]
        while left:
            group = left.pop()
            if group in self.groups and group not in found:
                found.add(group)
                left += self.groups[group].get("groups") or []
        return found

    def is_broken(self, name):
        """None of the groups below may miss one or contain itself."""
        if name not in self.groups:
            return True
        for group in self.below(name):
            inner = self.groups[group].get("groups") or []
            if any(other not in self.groups or group in self.below(other) for other in inner):
                return True
        return False

    def has_itself(self, name, pod):
        """Membership that is the group's own."""
        spec, meta = self.groups[name], pod["metadata"]
        namespace = self.cluster.namespaces[meta["namespace"]]
        return (labels_of(pod).get(GROUP_LABEL) == name
                or f"{meta['namespace']}/{meta['name']}" in (spec.get("names") or [])
                or any(policy_model.selects(one.get("namespaceSelector") or {}, namespace)
                       and policy_model.selects(one.get("podSelector") or {}, labels_of(pod))
                       for one in spec.get("selectors") or []))

    def has(self, name, pod):
        """A broken group has those that can be found."""
        return any(self.has_itself(group, pod) for group in self.below(name))

    def has_address(self, name, ip):
        return any(address_of(ip) in network_of(one["cidr"])
                   and not any(address_of(ip) in network_of(cidr)
                               for cidr in one.get("except") or [])
                   for one in self.networks[name].get("networks") or [])


# --- Rules -------------------------------------------------------------------

class Rule:
    """One rule of one policy.  'peers': None is everybody."""

    def __init__(self, cluster, direction, action, peers, ports):
        self.cluster, self.direction, self.action = cluster, direction, action
        self.peers, self.ports = peers, ports

    def peer_matches(self, peer, ip):
        raise NotImplementedError

    def port_matches(self, port, connection):
        raise NotImplementedError

    def check(self):
        """Raises Doubt if something is not known."""
        raise NotImplementedError

    def in_force(self):
        """(action, whether it matches everything)"""
        try:
            self.check()
            return self.action, False
        except Doubt:
            return (None if self.action == ALLOW else DENY), True

    def matches(self, connection):
        return (self.any_peer_matches(connection.other)
                and (not self.ports or (connection.protocol in WITH_PORTS and any(
                    self.port_matches(port, connection) for port in self.ports))))

    def any_peer_matches(self, ip):
        return self.peers is None or any(self.peer_matches(peer, ip) for peer in self.peers)

    def selects_pod(self, selectors, ip):
        """{namespaceSelector, podSelector}; only pods have labels."""
        pod = self.cluster.pods.get(ip)
        return (pod is not None
                and policy_model.selects(selectors.get("namespaceSelector") or {},
                            self.cluster.namespaces[pod["metadata"]["namespace"]])
                and policy_model.selects(selectors.get("podSelector") or {}, labels_of(pod)))

    def named(self, name, protocol, connection):
        """Whether the port is the one that the destination pod calls so."""
        pod = (connection.subject if self.direction == INGRESS
               else self.cluster.pods.get(connection.other))
        return pod is not None and policy_model.container_port(pod, name, protocol) == connection.port


class ClusterRule(Rule):
    """Of the kinds of policy.networking.k8s.io."""
    PEERS = {"namespaces", "pods", "networks", "nodes", "domainNames"}

    def check(self):
        known = self.PEERS if self.direction != INGRESS else {"namespaces", "pods"}
        for peer in self.peers:
            if only_key(peer) not in known:
                raise Doubt
        for port in self.ports or []:
            if only_key(port) not in {"tcp", "udp", "sctp", "destinationNamedPort", "portNumber",
                                      "portRange", "namedPort"}:
                raise Doubt

    def peer_matches(self, peer, ip):
        kind = only_key(peer)
        value = peer[kind]
        if kind == "namespaces":
            return self.selects_pod({"namespaceSelector": value}, ip)
        if kind == "pods":
            return self.selects_pod(value, ip)
        if kind == "networks":
            return any(address_of(ip) in network_of(cidr) for cidr in value)
        if kind == "nodes":
            return (ip in self.cluster.node_by_ip
                    and policy_model.selects(value, self.cluster.node_labels[self.cluster.node_by_ip[ip]]))
        return False                    # Nobody has asked for the name.

    def port_matches(self, port, connection):
        kind = only_key(port)
        value = port[kind]
        if kind in ("destinationNamedPort", "namedPort"):
            return self.named(value, connection.protocol, connection)
        if kind in ("portNumber", "portRange"):
            first, last = ((value["start"], value["end"]) if kind == "portRange"
                           else (value["port"], value["port"]))
            return (value.get("protocol", "TCP") == connection.protocol
                    and first <= connection.port <= last)
        if kind.upper() != connection.protocol:
            return False
        where = value.get("destinationPort") or {"range": {"start": 0, "end": 65535}}
        if "number" in where:
            return where["number"] == connection.port
        return where["range"]["start"] <= connection.port <= where["range"]["end"]


class BaselineAdminRule(ClusterRule):
    PEERS = ClusterRule.PEERS - {"domainNames"}


class GroupRule(Rule):
    """Of GroupPolicy."""

    def check(self):
        groups = self.cluster.groups
        for peer in self.peers or []:
            kind = only_key(peer)
            if (kind not in {"group", "networkGroup", "namespaces", "world"}
                    or (kind == "group" and groups.is_broken(peer[kind]))
                    or (kind == "networkGroup" and peer[kind] not in groups.networks)):
                raise Doubt

    def peer_matches(self, peer, ip):
        kind, pod = only_key(peer), self.cluster.pods.get(ip)
        if kind == "group":
            return pod is not None and self.cluster.groups.has(peer[kind], pod)
        if kind == "networkGroup":
            return self.cluster.groups.has_address(peer[kind], ip)
        if kind == "namespaces":
            return self.selects_pod({"namespaceSelector": peer[kind]}, ip)
        return pod is None and ip not in self.cluster.node_by_ip

    def port_matches(self, port, connection):
        protocol, number = port.get("protocol", "TCP"), port.get("port")
        if protocol != connection.protocol:
            return False
        if number is None:
            return True
        if isinstance(number, int):
            return number <= connection.port <= port.get("endPort", number)
        return self.named(number, protocol, connection)


# --- Policies ----------------------------------------------------------------

class Policy:
    """An ordered policy: order, subject, rules that are in force."""

    def __init__(self, cluster, thing):
        self.cluster, self.thing, self.spec = cluster, thing, thing["spec"]
        self.kind = thing["kind"]

    def tier(self):
        return {"AdminNetworkPolicy": ADMIN, "BaselineAdminNetworkPolicy": BASELINE}.get(
            self.kind) or self.spec["tier"]

    def order(self):
        """Lower comes first."""
        priority = (LAST_PRIORITY if self.kind == "BaselineAdminNetworkPolicy"
                    else self.spec["priority"])
        return priority, self.kind, self.thing["metadata"]["name"]

    def has_subject(self, pod):
        subject = self.spec["subject"]
        namespace = self.cluster.namespaces[pod["metadata"]["namespace"]]
        if "group" in subject:
            return self.cluster.groups.has(subject["group"], pod)
        if "namespaces" in subject:
            return policy_model.selects(subject["namespaces"], namespace)
        return (policy_model.selects(subject["pods"].get("namespaceSelector") or {}, namespace)
                and policy_model.selects(subject["pods"].get("podSelector") or {}, labels_of(pod)))

    def rules(self, direction):
        for rule in self.spec.get(direction.lower()) or []:
            if not (rule.get("dryRun") or self.spec.get("dryRun")):
                yield self.rule(direction, rule)

    def rule(self, direction, rule):
        peers = rule.get("from" if direction == INGRESS else "to")
        ports = rule.get("protocols") or rule.get("ports")
        make = {"GroupPolicy": GroupRule, "BaselineAdminNetworkPolicy": BaselineAdminRule}
        return make.get(self.kind, ClusterRule)(self.cluster, direction, ACTIONS[rule["action"]], peers, ports)

    def decide(self, direction, connection):
        """The action of the first rule that matches, or None."""
        for rule in self.rules(direction):
            action, everything = rule.in_force()
            if action and (everything or rule.matches(connection)):
                return action
        return None


def decide(policies, tier, direction, pod, connection):
    """What a tier says: an action that is final, or None."""
    for policy in sorted(policies, key=Policy.order):
        if policy.tier() == tier and policy.has_subject(pod):
            action = policy.decide(direction, connection)
            if action:
                return None if action == PASS else action
    return None
