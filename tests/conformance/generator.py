"""Random clusters of Kubernetes objects.  A seed gives the same one always.

All shapes of policies that the API admits, on few labels, ports and
addresses, so that things meet often."""
import random

import families
import ordered_generator
import proof
from policy_model import Cluster, ips_of

NAMESPACES = ["red", "green", "blue", "grey"]
SUBNETS = {"red": "10.200.0.0/28", "green": "10.200.0.16/28", "blue": "10.200.1.0/24",
           "grey": "10.201.0.0/25"}
KEYS = ["app", "tier", "env"]
VALUES = ["a", "b", ""]
NUMBERS = [80, 81, 82, 443, 8080]
TRIED = [79, 80, 82, 83, 443, 480, 8080]
NAMES = ["http", "dns"]
PROTOCOLS = ["TCP", "UDP", "SCTP"]
WORLD = ["192.0.2.1", "192.0.2.130", "198.51.100.7"]
# cidr: networks that may be cut out of it.
BLOCKS = {
    "0.0.0.0/0": ["10.200.0.0/27", "192.0.2.0/25", "172.30.0.1/32", "10.0.0.0/8"],
    "10.200.0.0/16": ["10.200.0.0/28", "10.200.0.17/32", "10.200.1.0/29"],
    "10.200.0.0/27": ["10.200.0.2/31", "10.200.0.16/30"],
    "10.201.0.0/25": ["10.201.0.0/30"],
    "172.30.0.0/24": ["172.30.0.2/32"],
    "192.0.2.0/24": ["192.0.2.128/25", "192.0.2.1/32"],
    "192.0.2.130/32": [],
}
MAX_CELLS = 160


class Generator:
    port_names, numbers, protocols = NAMES, NUMBERS, PROTOCOLS

    def __init__(self, seed):
        self.random = random.Random(seed)

    def chance(self, percent):
        return self.random.randrange(100) < percent

    def pick(self, things):
        return self.random.choice(things)

    def some(self, make, least, most):
        return [make() for _ in range(self.random.randint(least, most))]

    def labels(self):
        return {key: self.pick(VALUES) for key in KEYS if self.chance(60)}

    # Selectors.

    def requirement(self):
        operator = self.pick(["In", "NotIn", "Exists", "DoesNotExist"])
        made = {"key": self.pick(KEYS), "operator": operator}
        if operator in ("In", "NotIn"):
            made["values"] = self.some(lambda: self.pick(VALUES), 1, 2)
        return made

    def selector(self):
        made = {}
        if self.chance(45):
            made["matchLabels"] = {self.pick(KEYS): self.pick(VALUES)}
        if self.chance(35):
            made["matchExpressions"] = self.some(self.requirement, 1, 2)
        return made

    def namespace_selector(self):
        if self.chance(35):
            return {"matchLabels": {"kubernetes.io/metadata.name": self.pick(self.names)}}
        return self.selector()

    # Pods.

    def container(self, name):
        ports, names = [], set()
        for _ in range(self.random.randint(0, 3)):
            port = {"containerPort": self.pick(NUMBERS)}
            if self.chance(75):
                port["protocol"] = self.pick(PROTOCOLS)
            port_name = self.pick(NAMES)
            if self.chance(90) and port_name not in names:
                names.add(port_name)                    # Unique within a container.
                port["name"] = port_name
            ports.append(port)
        return {"name": name, "image": "none", "ports": ports}

    def address(self, ns):
        """The next of the namespace, out of order."""
        base, _, last = SUBNETS[ns].partition("/")[0].rpartition(".")
        free = [f"{base}.{int(last) + i}" for i in range(2, 13)
                if f"{base}.{int(last) + i}" not in self.used]
        self.used.add(ip := self.pick(free))
        return ip

    def pod(self, name):
        ns = self.pick(self.names)
        made = proof.pod(ns, name, self.labels(), self.address(ns),
                         self.pick(sorted(proof.NODES)), [])
        spec = made["spec"]
        spec["containers"] = [self.container(f"c{i}") for i in range(self.random.randint(1, 2))]
        if self.chance(50):
            spec["initContainers"] = [self.container("init")]
            if self.chance(50):
                spec["initContainers"][0]["restartPolicy"] = "Always"
        self.vary(made)
        return made

    def vary(self, made):
        """Pods that are not simply running on the pod network."""
        what = self.random.randrange(100)
        if what < 8:
            made["spec"]["hostNetwork"] = True
            self.move(made, None, proof.NODES[made["spec"]["nodeName"]])
        elif what < 16:
            made["status"]["phase"] = self.pick(["Succeeded", "Failed"])
            live = [p for p in self.pods if p["metadata"]["namespace"]
                    == made["metadata"]["namespace"] and "hostNetwork" not in p["spec"]]
            if live and self.chance(60):                # Its address has a new owner.
                ip = self.pick(live)["metadata"]["annotations"]["virga.dev/ip"]
                self.move(made, ip, ip)
        elif what < 22:
            self.move(made, "10.210.0.9", None)         # In no network: it waits for one.
        elif what < 26:
            del made["spec"]["nodeName"]                # Nobody runs it yet.
            self.move(made, made["metadata"]["annotations"]["virga.dev/ip"], None)

    @staticmethod
    def move(made, static, ip):
        made["metadata"]["annotations"] = {"virga.dev/ip": static} if static else {}
        made["status"] = {"phase": made["status"]["phase"]}
        if ip:
            made["status"].update(podIP=ip, podIPs=[{"ip": ip}])

    # Policies.

    def peer(self):
        if self.chance(38):
            cidr = self.pick(sorted(BLOCKS))
            block = {"cidr": cidr}
            if BLOCKS[cidr] and self.chance(65):
                block["except"] = self.random.sample(
                    BLOCKS[cidr], self.random.randint(1, min(2, len(BLOCKS[cidr]))))
            return {"ipBlock": block}
        if self.chance(20):                             # Whom it means exactly.
            pods = [p for p in self.pods if ips_of(p)]
            if pods:
                return {"ipBlock": {"cidr": ips_of(self.pick(pods))[0] + "/32"}}
        made, which = {}, self.random.randint(1, 3)
        if which & 1:
            made["podSelector"] = self.selector()
        if which & 2:
            made["namespaceSelector"] = self.namespace_selector()
        return made

    def port(self):
        made = {}
        if self.chance(75):
            made["protocol"] = self.pick(PROTOCOLS)
        if self.chance(50):
            made["port"] = self.pick(NAMES)
        elif self.chance(80):
            made["port"] = self.pick(NUMBERS)
            if self.chance(30):
                made["endPort"] = made["port"] + self.pick([0, 1, 2, 400])
        return made

    def rule(self, peers):
        made = {}
        if self.chance(80):
            made[peers] = self.some(self.peer, 0, 3)
        if self.chance(65):
            made["ports"] = self.some(self.port, 0, 3)
        return made

    def policy(self, name):
        spec = {}
        if self.chance(90):
            spec["podSelector"] = self.selector()
        if self.chance(70):
            spec["policyTypes"] = self.pick([["Ingress"], ["Egress"], ["Ingress", "Egress"]])
        if self.chance(70):
            spec["ingress"] = self.some(lambda: self.rule("from"), 0, 3)
        if self.chance(60):
            spec["egress"] = self.some(lambda: self.rule("to"), 0, 3)
        return proof.policy(self.pick(self.names), name, spec)

    # All of it.

    def objects(self):
        self.names = self.random.sample(NAMESPACES, self.random.randint(1, len(NAMESPACES)))
        self.used, self.pods = set(), []
        for i in range(self.random.randint(3, 10)):
            self.pods.append(self.pod(f"p{i}"))
        return (proof.nodes()
                + [proof.namespace(name, self.labels(), [SUBNETS[name]]) for name in self.names]
                + self.pods
                + [self.policy(f"policy-{i}") for i in range(self.random.randint(1, 6))])

    def service(self, pod):
        """(protocol, port) to try: what a pod says it listens on, or any."""
        spec = pod["spec"] if pod else {}
        declared = [(port.get("protocol", "TCP"), port["containerPort"])
                    for container in spec.get("containers", []) + spec.get("initContainers", [])
                    for port in container["ports"]]
        if declared and self.chance(60):
            protocol, number = self.pick(declared)
            return (protocol if self.chance(80) else self.pick(PROTOCOLS)), number
        return self.pick(PROTOCOLS), self.pick(TRIED)

    def cells(self, objects):
        """Connections to try: between pods, and pods with nodes and the world."""
        pods = [end[2] for end in proof.ends(objects)]
        others = sorted(proof.NODES.values()) + WORLD
        pairs = [(a, b) for a in pods for b in pods if a != b]
        pairs += [pair for a in pods for b in others for pair in ((a, b), (b, a))]
        if not pairs:
            return []
        by_address = Cluster(objects).pods
        made = set()
        for _ in range(MAX_CELLS):
            a, b = self.pick(pairs)
            service = ("ICMP", None) if self.chance(6) else self.service(by_address.get(b))
            made.add((a, b, *service))
        return sorted(made, key=str)


def cluster(seed):
    """Objects and the connections to try among them."""
    generator = Generator(seed)
    objects = generator.objects()
    if seed % 2:
        objects = ordered_generator.add(generator, objects)
    return families.translate(objects, generator.cells(objects), seed)
