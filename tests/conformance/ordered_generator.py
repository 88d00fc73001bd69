"""Random ordered policies and groups, for clusters of generator.py.

In every second cluster, so that NetworkPolicy alone keeps its share.  Few names,
few priorities and few labels, so that policies overlap, tie and refer to each
other; sometimes to what is not there, to themselves, or to what no version
knows."""
CLUSTER_API = "policy.networking.k8s.io/v1alpha2"
ADMIN_API = "policy.networking.k8s.io/v1alpha1"
VIRGA_API = "virga.dev/v1alpha1"
GROUPS = ["g0", "g1", "g2", "g3"]
MISSING = "g-missing"
NETWORK_GROUPS = ["n0", "n1"]
NETWORKS = ["0.0.0.0/0", "10.200.0.0/16", "10.200.0.16/28", "172.30.0.1/32", "192.0.2.0/24",
            "192.0.2.130/32", "10.200.0.0/27"]
HOLES = {"0.0.0.0/0": ["10.200.0.0/27", "192.0.2.0/25"], "10.200.0.0/16": ["10.200.0.0/28"],
         "192.0.2.0/24": ["192.0.2.128/25"], "10.200.0.0/27": ["10.200.0.16/28"]}


def thing(api, kind, name, spec):
    return {"apiVersion": api, "kind": kind, "metadata": {"name": name}, "spec": spec}


class OrderedGenerator:
    """Makes them with the choices of a generator.Generator."""

    def __init__(self, base):
        self.base = base
        self.chance, self.pick, self.some = base.chance, base.pick, base.some
        self.random, self.selector = base.random, base.selector

    # Peers and ports.

    def pods(self):
        return {"namespaceSelector": self.base.namespace_selector() if self.chance(70) else {},
                "podSelector": self.selector()}

    def pod_peer(self):
        if self.chance(35):
            return {"namespaces": self.base.namespace_selector()}
        return {"pods": self.pods()}

    def cluster_peer(self, direction, action):
        if direction == "ingress" or self.chance(45):
            return self.pod_peer()
        if action in ("Accept", "Allow") and self.chance(10):
            return {"domainNames": ["www.example.com"]}
        if self.chance(30):
            return {"nodes": self.selector()}
        return {"networks": sorted(set(self.some(lambda: self.pick(NETWORKS), 1, 2)))}

    def number(self):
        return self.pick(self.base.numbers)

    def transport(self):
        where = {"number": self.number()}
        if self.chance(35):
            first = self.number()
            where = {"range": {"start": first, "end": first + self.pick([1, 2, 400])}}
        return {self.pick(["tcp", "udp", "sctp"]): {"destinationPort": where}}

    def cluster_ports(self, by_name):
        def one():
            if self.chance(4):
                return {"quic": {"destinationPort": {"number": 443}}}
            if by_name and self.chance(30):
                return {"destinationNamedPort": self.pick(self.base.port_names)}
            return self.transport()
        return self.some(one, 1, 3)

    def admin_ports(self, by_name):
        def one():
            if by_name and self.chance(30):
                return {"namedPort": self.pick(self.base.port_names)}
            protocol = {"protocol": self.pick(self.base.protocols)}
            if self.chance(35):
                first = self.number()
                return {"portRange": dict(protocol, start=first,
                                          end=first + self.pick([1, 2, 400]))}
            return {"portNumber": dict(protocol, port=self.number())}
        return self.some(one, 1, 3)

    def group_peer(self):
        kind = self.pick(["group", "networkGroup", "networkGroup", "namespaces", "world"])
        if kind == "group":
            return {"group": MISSING if self.chance(6) else self.pick(GROUPS)}
        if kind == "networkGroup":
            return {"networkGroup": "n-missing" if self.chance(6) else self.pick(NETWORK_GROUPS)}
        if kind == "namespaces":
            return {"namespaces": self.base.namespace_selector()}
        return {"world": True}

    # Rules.

    def cluster_rule(self, direction, actions, ports):
        action = self.pick(actions)
        peers = self.some(lambda: self.cluster_peer(direction, action), 1, 2)
        if self.chance(8):
            peers.append({"sockets": {"path": "/dev/null"}})  # Of a version to come.
        made = {"action": action, "from" if direction == "ingress" else "to": peers}
        if self.chance(55):
            # A name is a pod's: no other peers beside it.
            by_name = all(set(peer) <= {"namespaces", "pods"} for peer in peers)
            made["protocols" if ports == self.cluster_ports else "ports"] = ports(by_name)
        return made

    def group_rule(self, direction):
        made = {"action": self.pick(["Accept", "Allow", "Deny", "Reject", "Pass"])}
        key = "from" if direction == "ingress" else "to"
        if self.chance(80):
            made[key] = self.some(self.group_peer, 1, 2)
        if self.chance(55):
            made["ports"] = self.some(self.base.port, 1, 2)
            if direction == "egress" and any("networkGroup" in p or "world" in p
                                             for p in made.get(key, [])):
                made["ports"] = [p for p in made["ports"] if not isinstance(p.get("port"), str)]
            if not made["ports"]:
                del made["ports"]
        if self.chance(12):
            made["dryRun"] = True
        if self.chance(10):
            made["log"] = True
        return made

    # Policies.

    def subject(self):
        if self.chance(40):
            return {"namespaces": self.base.namespace_selector()}
        return {"pods": self.pods()}

    def directions(self, rule):
        """Both lists, one of them maybe missing."""
        made = {direction: self.some(lambda d=direction: rule(d), 1, 3)
                for direction in ("ingress", "egress") if self.chance(75)}
        return made or {"ingress": [rule("ingress")]}

    def priority(self):
        return self.random.randrange(4)

    def cluster_policy(self, name):
        actions = ["Accept", "Deny", "Pass"]
        return thing(CLUSTER_API, "ClusterNetworkPolicy", name, {
            "tier": self.pick(["Admin", "Admin", "Baseline"]), "priority": self.priority(),
            "subject": self.subject(),
            **self.directions(lambda d: self.cluster_rule(d, actions, self.cluster_ports))})

    def admin_policy(self, name):
        actions = ["Allow", "Deny", "Pass"]
        return thing(ADMIN_API, "AdminNetworkPolicy", name, {
            "priority": self.priority(), "subject": self.subject(),
            **self.directions(lambda d: self.cluster_rule(d, actions, self.admin_ports))})

    def baseline_policy(self):
        return thing(ADMIN_API, "BaselineAdminNetworkPolicy", "default", {
            "subject": self.subject(),
            **self.directions(lambda d: self.cluster_rule(d, ["Allow", "Deny"],
                                                          self.admin_ports))})

    def group_policy(self, name):
        return thing(VIRGA_API, "GroupPolicy", name, {
            "tier": self.pick(["Admin", "Group", "Group", "Baseline"]),
            "priority": self.priority(),
            "subject": {"group": MISSING if self.chance(4) else self.pick(GROUPS)},
            **({"dryRun": True} if self.chance(5) else {}),
            **self.directions(self.group_rule)})

    # Groups.

    def policy_group(self, name):
        spec = {}
        if self.chance(70):
            spec["selectors"] = self.some(self.pods, 1, 2)
        if self.chance(30):
            pod = self.pick(self.base.pods)["metadata"]
            spec["names"] = [f"{pod['namespace']}/{pod['name']}"]
        if self.chance(35):
            below = GROUPS[GROUPS.index(name) + 1:]
            if below and self.chance(85):
                spec["groups"] = [self.pick(below)]
            else:                                       # A cycle, or one that is not there.
                spec["groups"] = [self.pick([*GROUPS, MISSING])]
        return thing(VIRGA_API, "PolicyGroup", name, spec)

    def network_group(self, name):
        def network():
            cidr = self.pick(NETWORKS)
            made = {"cidr": cidr}
            if HOLES.get(cidr) and self.chance(80):
                made["except"] = [self.pick(HOLES[cidr])]
            return made
        return thing(VIRGA_API, "NetworkGroup", name, {"networks": self.some(network, 0, 3)})

    # All of it.

    def objects(self):
        """Also labels some pods and nodes, as members and peers."""
        for made in self.base.pods:
            if self.chance(15):
                made["metadata"]["labels"]["nuage.io/policy-group"] = self.pick(GROUPS)
        made = [self.cluster_policy(f"cluster-{i}") for i in range(self.random.randint(0, 3))]
        made += [self.admin_policy(f"admin-{i}") for i in range(self.random.randint(0, 2))]
        made += [self.baseline_policy()] if self.chance(35) else []
        policies = [self.group_policy(f"group-{i}") for i in range(self.random.randint(0, 4))]
        if policies:
            made += [self.policy_group(name) for name in GROUPS]
            made += [self.network_group(name) for name in NETWORK_GROUPS]
        return made + policies


def add(base, objects):
    """To the objects of every second cluster."""
    for node in objects:
        if node["kind"] == "Node":
            node["metadata"]["labels"] = base.labels()
    return objects + OrderedGenerator(base).objects()

