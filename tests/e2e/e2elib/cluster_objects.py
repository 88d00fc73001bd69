"""Policies of policy.networking.k8s.io, in few words."""

API = "policy.networking.k8s.io"
CNPS = f"/apis/{API}/v1alpha2/clusternetworkpolicies"
ANPS = f"/apis/{API}/v1alpha1/adminnetworkpolicies"
BANPS = f"/apis/{API}/v1alpha1/baselineadminnetworkpolicies"


def cnp(name, tier, priority, subject, ingress=(), egress=()):
    """A ClusterNetworkPolicy; 'subject' is a peer; a direction is a list of rules."""
    return {"apiVersion": f"{API}/v1alpha2", "kind": "ClusterNetworkPolicy",
            "metadata": {"name": name},
            "spec": {"tier": tier, "priority": priority, "subject": subject,
                     "ingress": list(ingress), "egress": list(egress)}}


def of(name=None, **labels):
    """All pods of the namespaces with these labels, or of one by name."""
    if name:
        labels = {"kubernetes.io/metadata.name": name}
    return {"namespaces": {"matchLabels": labels} if labels else {}}


def pods_of(name, **labels):
    """Pods with these labels of one namespace."""
    return {"pods": {"namespaceSelector": of(name)["namespaces"],
                     "podSelector": {"matchLabels": labels} if labels else {}}}


def _protocol(text):
    if "/" not in text:
        return {"destinationNamedPort": text}
    numbers, _, protocol = text.partition("/")
    if not numbers:
        return {protocol.lower(): {}}
    first, _, last = numbers.partition("-")
    where = {"range": {"start": int(first), "end": int(last)}} if last else {"number": int(first)}
    return {protocol.lower(): {"destinationPort": where}}


def _rule(action, direction, peers, protocols):
    rule = {"action": action, direction: list(peers) if isinstance(peers, (list, tuple))
            else [peers]}
    if protocols:
        rule["protocols"] = [_protocol(p) for p in protocols]
    return rule


def incoming(action, peers, *protocols):
    """A rule of ingress; protocols like "80/TCP", "1-9/UDP", "/SCTP", or a name."""
    return _rule(action, "from", peers, protocols)


def outgoing(action, peers, *protocols):
    return _rule(action, "to", peers, protocols)
