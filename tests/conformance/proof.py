"""A cluster of Kubernetes objects, judged: the model's verdicts against what
becomes of packets in the flows that Virga makes of the same objects."""
import json
import os
import subprocess

import families
import packets
import policy_model
from switch import TOP

NODES = {"node-1": "172.30.0.1", "node-2": "172.30.0.2"}
BUILD = os.environ.get("VIRGA_BUILD", os.path.join(TOP, ".build"))


def node(name):
    return {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name},
            "status": {"addresses": [{"type": "InternalIP", "address": NODES[name]}]}}


def nodes():
    return [node(name) for name in sorted(NODES)]


def namespace(name, labels, subnets):
    return {"apiVersion": "v1", "kind": "Namespace",
            "metadata": {"name": name, "labels": labels,
                         "annotations": {"virga.dev/subnets": ",".join(subnets)}}}


def pod(ns, name, labels, address, node_name, ports):
    """A running pod with a static address."""
    return {"apiVersion": "v1", "kind": "Pod",
            "metadata": {"namespace": ns, "name": name, "labels": labels,
                         "annotations": {"virga.dev/ip": address}},
            "spec": {"nodeName": node_name,
                     "containers": [{"name": "main", "image": "none", "ports": ports}]},
            "status": {"phase": "Running", "podIP": address, "podIPs": [{"ip": address}]}}


def policy(ns, name, spec):
    return {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
            "metadata": {"namespace": ns, "name": name}, "spec": spec}


def manifest(objects):
    """JSON is YAML."""
    return "".join(f"---\n{json.dumps(thing)}\n" for thing in objects)


class Refused(Exception):
    """virgactl did not take the objects."""


def flows_of(path, name):
    done = subprocess.run([os.path.join(BUILD, "bin", "virgactl"), "flows", "-f", path,
                           f"--node={name}"], check=False, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True)
    if done.returncode:
        raise Refused(f"virgactl flows -f {path} --node={name}: {done.stderr.strip()}")
    return done.stdout


def evaluated(path, cells):
    """The letters of the product's evaluator."""
    questions = "".join(f"{c[0]} {c[1]} {'icmp' if c[3] is None else f'{c[3]}/{c[2]}'}\n"
                        for c in cells)
    done = subprocess.run([os.path.join(BUILD, "bin", "virgactl"), "why", "-f", path,
                           "--questions=-"], check=False, input=questions, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    if done.returncode:
        raise Refused(f"virgactl why -f {path}: {done.stderr.strip()}")
    words = {"allowed": "allow", "denied": "deny", "rejected": "reject"}
    return [letter(tuple(words[answer[way]["verdict"]] for way in ("egress", "ingress")))
            for answer in map(json.loads, done.stdout.splitlines())]


def ends(objects):
    """(namespace, name, first address, node) of the pods that have a port."""
    return [(p["metadata"]["namespace"], p["metadata"]["name"], policy_model.ips_of(p)[0],
             p["spec"]["nodeName"])
            for p in objects if p["kind"] == "Pod" and policy_model.is_on_pod_network(p)
            and p["spec"].get("nodeName") in NODES]


def letter(verdict):
    """The first direction that does not allow; in small if the sender is told."""
    egress, ingress = verdict
    word = ingress if egress == "allow" else egress
    mark = packets.NO_EGRESS if egress != "allow" else packets.NO_INGRESS
    return {"allow": packets.ALLOWED, "deny": mark, "reject": mark.lower()}[word]


def name_of(objects):
    """Names of addresses, for people."""
    names = {address: name for name, address in NODES.items()}
    names.update({families.origin(end[2]): f"{end[0]}/{end[1]}" for end in ends(objects)})
    return lambda address: (names.get(families.origin(address), address)
                            + (" (IPv6)" if families.is_ip6(address) else ""))


WORDS = {".": "allowed", "E": "denied by egress", "I": "denied by ingress",
         "e": "rejected by egress", "i": "rejected by ingress"}


class Judge:
    """Holds the switch; asks it about cluster after cluster."""

    def __init__(self, switch):
        self.switch = switch
        self.n_cells = 0

    def write(self, objects):
        path = os.path.join(self.switch.dir, "manifest.yaml")
        with open(path, "w", encoding="utf-8") as file:
            file.write(manifest(objects))
        return path

    def observe(self, objects, cells):
        path = self.write(objects)
        for i, name in enumerate(sorted(NODES)):
            self.switch.load(i, flows_of(path, name))
        self.n_cells += len(cells)
        return packets.send(self.switch, packets.Map(ends(objects), NODES), cells)

    def differences(self, objects, cells):
        """[(cell, expected, observed)] where model and packets disagree."""
        cluster = policy_model.Cluster(objects)
        observed = self.observe(objects, cells)
        expected = [letter(cluster.verdict(*cell)) for cell in cells]
        wrong = [(cell, e, o) for cell, e, o in zip(cells, expected, observed) if e != o]
        return wrong + self.misjudged(objects, cells, expected)

    def misjudged(self, objects, cells, expected):
        """The same of model and evaluator."""
        found = evaluated(self.write(objects), cells)
        return [(cell, e, f"{WORDS[f]} to the evaluator")
                for cell, e, f in zip(cells, expected, found) if e != f]

    def interrupted(self, objects, cells):
        """[(cell, kind, observed)] of packets that an allowed connection
        lacks, whatever is said of new ones; on the flows that are loaded."""
        where = packets.Map(ends(objects), NODES)
        lost = []
        for kind in (packets.LATER, packets.REPLY, packets.ERROR):
            self.n_cells += len(cells)
            seen = packets.send(self.switch, where, cells, kind)
            lost += [(c, kind, o) for c, o in zip(cells, seen) if o != packets.ALLOWED]
        return lost


def describe(objects, differences, most=10):
    name = name_of(objects)
    lines = [f"  {name(c[0])} > {name(c[1])} {c[2]}{'' if c[3] is None else f'/{c[3]}'}: "
             f"should be {WORDS[e]}, is {WORDS.get(o, o)}" for c, e, o in differences[:most]]
    if len(differences) > most:
        lines.append(f"  and {len(differences) - most} more")
    return "\n".join(lines)
