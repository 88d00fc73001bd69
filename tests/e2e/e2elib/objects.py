"""Kubernetes objects, in few words."""


def namespace(name, annotations=None, **labels):
    return {"apiVersion": "v1", "kind": "Namespace",
            "metadata": {"name": name, "labels": labels, "annotations": annotations or {}}}


def pod(name, node, ports=("80/TCP",), annotations=None, **labels):
    """name: "ns/pod"; node None: not scheduled."""
    ns, _, short = name.partition("/")
    container_ports = [{"containerPort": int(p.partition("/")[0]),
                        "protocol": p.partition("/")[2] or "TCP"} for p in ports]
    spec = {"containers": [{"name": "main", "image": "none", "ports": container_ports}]}
    if node:
        spec["nodeName"] = node
    return {"apiVersion": "v1", "kind": "Pod", "spec": spec,
            "metadata": {"namespace": ns, "name": short, "labels": labels,
                         "annotations": annotations or {}}}


def policy(name, pods=None, ingress=None, egress=None, types=None):
    """A NetworkPolicy "ns/name"; 'pods' are matchLabels; a direction is a list of rules."""
    ns, _, short = name.partition("/")
    spec = {"podSelector": labelled(pods)}
    if ingress is not None:
        spec["ingress"] = ingress
    if egress is not None:
        spec["egress"] = egress
    spec["policyTypes"] = types or (["Ingress"] if ingress is not None else []) + (
        ["Egress"] if egress is not None else [])
    return {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
            "metadata": {"namespace": ns, "name": short}, "spec": spec}


def cluster_policy(name, pods, ingress=(), egress=(), tier="Admin", priority=10):
    """A ClusterNetworkPolicy over pods of all namespaces, with rules as they are."""
    return {"apiVersion": "policy.networking.k8s.io/v1alpha2", "kind": "ClusterNetworkPolicy",
            "metadata": {"name": name},
            "spec": {"tier": tier, "priority": priority, "ingress": list(ingress),
                     "egress": list(egress),
                     "subject": {"pods": {"namespaceSelector": {},
                                          "podSelector": labelled(pods)}}}}


def labelled(labels):
    return {"matchLabels": labels} if labels else {}


def rule(direction, peers=None, ports=None):
    """direction "from" or "to"; ports like "80/TCP", "1000-2000/UDP"."""
    result = {}
    if peers is not None:
        result[direction] = peers
    if ports is not None:
        result["ports"] = [_port(p) for p in ports]
    return result


def _port(text):
    numbers, _, protocol = text.partition("/")
    first, _, last = numbers.partition("-")
    port = {"protocol": protocol or "TCP", "port": int(first)}
    if last:
        port["endPort"] = int(last)
    return port


def pods_peer(**labels):
    return {"podSelector": labelled(labels)}


def namespaces_peer(**labels):
    return {"namespaceSelector": labelled(labels)}


def block_peer(cidr, *excepts):
    return {"ipBlock": {"cidr": cidr, **({"except": list(excepts)} if excepts else {})}}


def _virga(kind, name, spec):
    return {"apiVersion": "virga.dev/v1alpha1", "kind": kind, "metadata": {"name": name},
            "spec": spec}


def policy_group(name, selectors=(), names=(), groups=()):
    return _virga("PolicyGroup", name, {"selectors": list(selectors), "names": list(names),
                                        "groups": list(groups)})


def network_group(name, *networks):
    """networks: (cidr, [except...])."""
    return _virga("NetworkGroup", name, {"networks": [
        {"cidr": cidr, "except": list(excepts)} for cidr, excepts in networks]})


def group_policy(name, tier, subject, ingress=(), egress=(), priority=10, **more):
    return _virga("GroupPolicy", name, {"tier": tier, "priority": priority,
                                        "subject": {"group": subject}, "ingress": list(ingress),
                                        "egress": list(egress), **more})


def group_rule(action, direction="from", peers=None, ports=None, **flags):
    return {"action": action, **rule(direction, peers, ports), **flags}
