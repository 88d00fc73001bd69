"""What policy allows, from the words of the APIs: NetworkPolicy
(networking.k8s.io/v1) here, the ordered kinds in ordered_model.py.

A second opinion on the product, written from the documentation of the
Kubernetes API alone: it sees Kubernetes objects as they come from YAML, never
what Virga makes of them.  IPv4; one connection at a time; no services.

Addresses are what connections have, so questions are asked by address.  An
address belongs to a pod on the pod network, to a node (and to the pods with
hostNetwork on it, which are nothing but their node here), or to nobody.
"""
import functools
import ipaddress

INGRESS, EGRESS = "Ingress", "Egress"


@functools.lru_cache(maxsize=None)
def network_of(cidr):
    return ipaddress.ip_network(cidr, strict=False)


@functools.lru_cache(maxsize=None)
def address_of(text):
    return ipaddress.ip_address(text)


def labels_of(thing):
    return thing["metadata"].get("labels") or {}


# --- Selectors ---------------------------------------------------------------

def satisfies(labels, requirement):
    key, operator = requirement["key"], requirement["operator"]
    values = requirement.get("values") or []
    if operator == "In":
        return key in labels and labels[key] in values
    if operator == "NotIn":
        return key not in labels or labels[key] not in values
    if operator == "Exists":
        return key in labels
    if operator == "DoesNotExist":
        return key not in labels
    raise ValueError(f"unknown operator {operator}")


def selects(selector, labels):
    """An empty selector selects everything; all requirements must hold."""
    for key, value in (selector.get("matchLabels") or {}).items():
        if key not in labels or labels[key] != value:
            return False
    return all(satisfies(labels, requirement)
               for requirement in selector.get("matchExpressions") or [])


# --- Pods --------------------------------------------------------------------

def ips_of(pod):
    """The pod's addresses; none if it has not got any yet."""
    status = pod.get("status") or {}
    ips = [entry["ip"] for entry in status.get("podIPs") or []] or [status.get("podIP")]
    return [ip for ip in ips if ip]


def is_completed(pod):
    return (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed")


def is_on_pod_network(pod):
    """Only these are subjects and peers.  A completed pod's address may have
    gone to another pod long ago."""
    return not pod["spec"].get("hostNetwork") and not is_completed(pod) and bool(ips_of(pod))


def container_port(pod, name, protocol):
    """The number that a name stands for on this pod: the first container port
    of that name and protocol; sidecars (restartable init containers) last."""
    spec = pod["spec"]
    sidecars = [c for c in spec.get("initContainers") or []
                if c.get("restartPolicy") == "Always"]
    for container in (spec.get("containers") or []) + sidecars:
        for port in container.get("ports") or []:
            if port.get("name") == name and port.get("protocol", "TCP") == protocol:
                return port["containerPort"]
    return None


# --- Policies ----------------------------------------------------------------

def policy_types(spec):
    """Isolation is by these only; the lists of rules say nothing about it."""
    if spec.get("policyTypes"):
        return spec["policyTypes"]
    return [INGRESS, EGRESS] if spec.get("egress") else [INGRESS]


class Connection:
    """A first packet, seen from one of its ends."""

    def __init__(self, direction, subject, other, protocol, port):
        self.direction = direction
        self.subject, self.other = subject, other      # Pod; address
        self.protocol, self.port = protocol, port


class Cluster:
    def __init__(self, objects):
        self.namespaces, self.policies, self.node_labels = {}, [], {}
        self.pods, self.node_by_ip = {}, {}            # By address
        self.groups, self.ordered = ordered_model.Groups(self), []
        for thing in objects:
            getattr(self, "add_" + thing["kind"].lower())(thing)
        self.chosen = functools.lru_cache(maxsize=None)(self.policies_of)

    def add_namespace(self, namespace):
        name = namespace["metadata"]["name"]
        self.namespaces[name] = dict(labels_of(namespace), **{"kubernetes.io/metadata.name": name})

    def add_node(self, node):
        self.node_labels[node["metadata"]["name"]] = labels_of(node)
        for address in node["status"]["addresses"]:
            self.node_by_ip[address["address"]] = node["metadata"]["name"]

    def add_pod(self, pod):
        if is_on_pod_network(pod):
            for ip in ips_of(pod):
                self.pods[ip] = pod

    def add_networkpolicy(self, policy):
        self.policies.append(policy)

    def add_ordered(self, policy):
        self.ordered.append(ordered_model.Policy(self, policy))

    add_clusternetworkpolicy = add_adminnetworkpolicy = add_ordered
    add_baselineadminnetworkpolicy = add_grouppolicy = add_ordered

    def add_policygroup(self, group):
        self.groups.groups[group["metadata"]["name"]] = group.get("spec") or {}

    def add_networkgroup(self, group):
        self.groups.networks[group["metadata"]["name"]] = group.get("spec") or {}

    # Which policies isolate a pod.

    def policies_of(self, ip, direction):
        pod = self.pods[ip]
        return [policy for policy in self.policies
                if policy["metadata"]["namespace"] == pod["metadata"]["namespace"]
                and direction in policy_types(policy["spec"])
                and selects(policy["spec"].get("podSelector") or {}, labels_of(pod))]

    # Whether a rule matches.

    def peer_matches(self, policy, peer, ip):
        if "ipBlock" in peer:
            block = peer["ipBlock"]
            return (address_of(ip) in network_of(block["cidr"])
                    and not any(address_of(ip) in network_of(cidr)
                                for cidr in block.get("except") or []))
        pod = self.pods.get(ip)
        if pod is None:
            return False
        namespace = pod["metadata"]["namespace"]
        if peer.get("namespaceSelector") is None:
            right_namespace = namespace == policy["metadata"]["namespace"]
        else:
            right_namespace = selects(peer["namespaceSelector"], self.namespaces[namespace])
        return right_namespace and selects(peer.get("podSelector") or {}, labels_of(pod))

    def port_matches(self, port, peer, connection):
        """'peer': the entry of the rule's list that is asked about, None if
        the rule has no list."""
        protocol, number = port.get("protocol", "TCP"), port.get("port")
        if protocol != connection.protocol:
            return False
        if number is None:
            return True
        if isinstance(number, int):
            return number <= connection.port <= port.get("endPort", number)
        if connection.direction == INGRESS:
            destination = connection.subject
        else:
            # A name is a pod's; a block of addresses has no names.
            by_address = peer is not None and "ipBlock" in peer
            destination = None if by_address else self.pods.get(connection.other)
        return (destination is not None
                and container_port(destination, number, protocol) == connection.port)

    def rule_matches(self, policy, rule, connection):
        ports = rule.get("ports") or []
        peers = rule.get("from" if connection.direction == INGRESS else "to") or [None]
        return any((peer is None or self.peer_matches(policy, peer, connection.other))
                   and (not ports or any(self.port_matches(port, peer, connection)
                                         for port in ports))
                   for peer in peers)

    # Verdicts.

    def allows(self, policies, direction, connection):
        """What NetworkPolicies say that isolate the subject."""
        return any(self.rule_matches(policy, rule, connection)
                   for policy in policies
                   for rule in policy["spec"].get(direction.lower()) or [])

    def decide(self, direction, ip, other, protocol, port):
        """"allow", "deny" or "reject" for the end with the address 'ip'; only
        pods are subjects.  The tiers in their order; no word allows."""
        if ip not in self.pods:
            return "allow"
        pod = self.pods[ip]
        connection = Connection(direction, pod, other, protocol, port)

        def ask(tier):
            return ordered_model.decide(self.ordered, tier, direction, pod, connection)
        word = ask(ordered_model.ADMIN) or ask(ordered_model.GROUP)
        policies = self.chosen(ip, direction)
        if not word and policies:
            word = "allow" if self.allows(policies, direction, connection) else "deny"
        return word or ask(ordered_model.BASELINE) or "allow"

    def verdict(self, source, destination, protocol, port):
        """(egress, ingress) for a first packet between two addresses; it takes
        "allow" of both.  'port' is None for protocols without."""
        if source == destination:
            return "allow", "allow"
        egress = self.decide(EGRESS, source, destination, protocol, port)
        target = self.pods.get(destination)
        if (target is not None and source in self.node_by_ip
                and self.node_by_ip[source] == target["spec"].get("nodeName")):
            return egress, "allow"                     # A node reaches its own pods.
        return egress, self.decide(INGRESS, destination, source, protocol, port)


import ordered_model  # noqa: E402  It uses this module's names.
