#!/usr/bin/python3
"""Clusters of any size from a seed, and what happens to them.

  tests/bench/generate.py SHAPE [--pods N] [--policies N] [--nodes N] [--seed S]

prints Kubernetes objects, one JSON document a line; the same arguments give the same
bytes.  Benchmarks and soak import it.  Shapes:

  realistic   namespaces of very different sizes; Deployments whose pods share labels,
              StatefulSets whose pods have labels of their own; default deny in most
              namespaces, allows between the tiers of an application, from namespaces
              that offer a service, and to addresses outside
  tenants     many small namespaces, a default deny and two allows in each
  crowd       one namespace; policies that each select all of its pods
  apps        one namespace, ten pods an application; policies on the ten applications
              of the first node, each with a hundred applications as peers

churn(objects, seed) goes on for ever: (verb, object) of Deployments that roll, scale
and are relabelled, StatefulSets that restart, policies that come and go."""
import argparse
import json
import random
import sys
from dataclasses import dataclass, field

LETTERS = "bcdfghjklmnpqrstvwxz2456789"
PORTS = (80, 443, 8080)


@dataclass
class Objects:
    """A cluster's objects, in the order in which they may be created."""
    nodes: list = field(default_factory=list)  # Names; the first is the one measured.
    namespaces: list = field(default_factory=list)
    pods: list = field(default_factory=list)
    policies: list = field(default_factory=list)

    def __iter__(self):
        yield from self.namespaces
        yield from self.pods
        yield from self.policies


# --- objects -----------------------------------------------------------------------


def namespace(name, labels=None, subnets=None):
    annotations = {"virga.dev/subnets": subnets} if subnets else {}
    return {"apiVersion": "v1", "kind": "Namespace",
            "metadata": {"name": name, "labels": labels or {}, "annotations": annotations}}


def pod(ns, name, node, labels, port=80):
    return {"apiVersion": "v1", "kind": "Pod",
            "metadata": {"namespace": ns, "name": name, "labels": labels},
            "spec": {"nodeName": node, "containers": [
                {"name": "main", "image": "none", "ports": [{"containerPort": port}]}]}}


def policy(ns, name, subjects, ingress=None, egress=None):
    """'subjects' is a label selector; a direction is a list of (peers, ports)."""
    spec = {"podSelector": subjects, "policyTypes": []}
    for key, peer_key, rules in (("ingress", "from", ingress), ("egress", "to", egress)):
        if rules is not None:
            spec["policyTypes"].append(key.capitalize())
            spec[key] = [_rule(peer_key, *r) for r in rules]
    return {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
            "metadata": {"namespace": ns, "name": name}, "spec": spec}


def _rule(peer_key, peers, ports):
    rule = {}
    if peers is not None:
        rule[peer_key] = peers
    if ports is not None:
        rule["ports"] = [{"protocol": "TCP", "port": p} for p in ports]
    return rule


def labels_are(**labels):
    return {"matchLabels": labels}


def label_in(key, values):
    return {"matchExpressions": [{"key": key, "operator": "In", "values": values}]}


def node_names(n):
    """node-1 is the one with an agent; the others are rows in the database."""
    return [f"node-{i + 1}" for i in range(n)]


# --- uniform shapes ------------------------------------------------------------------


def apps(n_pods=10000, n_policies=1000, n_nodes=100, seed=1, local_pods=100, local_apps=10,
         peer_apps=100, pods_per_app=10):
    """The first 'local_pods' are on the first node, in 'local_apps'; the others are
    'pods_per_app' to an application, on the other nodes.  Each policy is on one local
    application, from 'peer_apps' applications and the application "client-K" for each
    K of CLIENTS whose turn it is (the first K policies), to three TCP ports.  One pod
    is in each "client-K", and the pod "roamer" is in no application; for probes there are
    "friend" (client-1000) and "stranger" on the first node."""
    rng = random.Random(seed)
    nodes = node_names(n_nodes)
    result = Objects(nodes=nodes, namespaces=[namespace("apps", subnets="10.200.0.0/16")])
    for i in range(local_pods):
        name = f"local-{i % local_apps}"
        result.pods.append(pod("apps", f"{name}-{i}", nodes[0], {"app": name}))
    result.pods.append(pod("apps", "friend", nodes[0], {"app": f"client-{CLIENTS[-1]}"}))
    result.pods.append(pod("apps", "stranger", nodes[0], {"app": "stranger"}))
    result.pods.append(pod("apps", "roamer", nodes[-1], {}))
    result.pods += [pod("apps", f"client-{k}-0", nodes[-1], {"app": f"client-{k}"})
                    for k in CLIENTS]
    n_others = n_pods - len(result.pods)
    others = [f"app-{i}" for i in range(max(1, n_others // pods_per_app))]
    for i in range(n_others):
        name = others[i // pods_per_app % len(others)]
        result.pods.append(pod("apps", f"{name}-{i}", nodes[1 + i % (n_nodes - 1)],
                               {"app": name}))
    for i in range(n_policies):
        chosen = rng.sample(others, min(peer_apps, len(others)))
        chosen += [f"client-{k}" for k in CLIENTS if i < k]
        result.policies.append(policy(
            "apps", f"policy-{i}", labels_are(app=f"local-{i % local_apps}"),
            ingress=[([{"podSelector": label_in("app", chosen)}], PORTS)]))
    return result


CLIENTS = (10, 100, 1000)  # So many policies have "client-K" among their peers.


def tenants(n_namespaces=25000, pods_each=4, n_nodes=100, seed=1):
    """Small namespaces: a default deny, and two allows between their pods' roles."""
    del seed
    nodes = node_names(n_nodes)
    result = Objects(nodes=nodes)
    for i in range(n_namespaces):
        ns = f"tenant-{i}"
        result.namespaces.append(namespace(ns, {"team": f"team-{i % 100}"}))
        for j in range(pods_each):
            result.pods.append(pod(ns, f"pod-{j}", nodes[(i + j) % n_nodes],
                                   {"app": f"app-{j % 2}", "role": f"role-{j}"}))
        result.policies += [
            policy(ns, "default-deny", {}, ingress=[]),
            policy(ns, "from-app-1", labels_are(app="app-0"), ingress=[
                ([{"podSelector": labels_are(app="app-1")}], [80])]),
            policy(ns, "from-role-0", labels_are(app="app-1"), ingress=[
                ([{"podSelector": labels_are(role="role-0")}], [443])])]
    return result


def crowd(n_pods=10000, n_policies=10000, n_nodes=100, seed=1):
    """Every policy selects every pod, and lets in one application on one port."""
    del seed
    nodes = node_names(n_nodes)
    result = Objects(nodes=nodes, namespaces=[namespace("crowd", subnets="10.200.0.0/16")])
    result.pods = [pod("crowd", f"pod-{i}", nodes[i % n_nodes], {"app": f"app-{i % 100}"})
                   for i in range(n_pods)]
    result.policies = [
        policy("crowd", f"policy-{i}", {}, ingress=[
            ([{"podSelector": labels_are(app=f"app-{i % 100}")}], [1000 + i // 100])])
        for i in range(n_policies)]
    return result


# --- a realistic cluster ---------------------------------------------------------------


TIERS = (("frontend", 80), ("api", 8080), ("worker", 9000), ("db", 5432), ("cache", 6379))


def _suffix(rng, n=5):
    return "".join(rng.choice(LETTERS) for _ in range(n))


def _deployment_pods(rng, ns, app, tier, port, replicas, nodes, version):
    """Pods of one ReplicaSet; all have the same labels."""
    template = _suffix(rng, 9)
    labels = {"app": app, "tier": tier, "version": version, "pod-template-hash": template}
    return [pod(ns, f"{app}-{tier}-{template}-{_suffix(rng)}", rng.choice(nodes), dict(labels), port)
            for _ in range(replicas)]


def _stateful_pods(rng, ns, app, tier, port, replicas, nodes):
    """Each has its name among its labels, as the StatefulSet controller writes it."""
    name = f"{app}-{tier}"
    return [pod(ns, f"{name}-{i}", rng.choice(nodes),
                {"app": app, "tier": tier, "statefulset.kubernetes.io/pod-name": f"{name}-{i}",
                 "apps.kubernetes.io/pod-index": str(i)}, port) for i in range(replicas)]


def _app(rng, result, ns, app, budget):
    """One application: some tiers, most of them Deployments."""
    made = 0
    for depth, (tier, port) in enumerate(TIERS[:rng.randint(1, len(TIERS))]):
        replicas = min(budget - made, max(1, round(rng.paretovariate(1.4) * (3 - depth / 2))))
        if replicas <= 0:
            break
        if tier in ("db", "cache"):
            pods = _stateful_pods(rng, ns, app, tier, port, min(replicas, 5), result.nodes)
        else:
            pods = _deployment_pods(rng, ns, app, tier, port, replicas, result.nodes, "v1")
        result.pods += pods
        made += len(pods)
        if depth:
            before = TIERS[depth - 1][0]
            result.policies.append(policy(
                ns, f"{app}-{tier}", labels_are(app=app, tier=tier),
                ingress=[([{"podSelector": labels_are(app=app, tier=before)}], [port])]))
    return made


def _namespace_policies(rng, result, ns):
    """Most deny by default; some are open to monitoring, some reach out."""
    if rng.random() < 0.8:
        both = rng.random() < 0.3
        result.policies.append(policy(ns, "default-deny", {}, ingress=[],
                                      egress=[] if both else None))
        if both:
            result.policies.append(policy(ns, "dns", {}, egress=[
                ([{"namespaceSelector": labels_are(**{"kubernetes.io/metadata.name": "shared"}),
                   "podSelector": labels_are(app="dns")}], [53])]))
    if rng.random() < 0.7:
        result.policies.append(policy(ns, "monitoring", {}, ingress=[
            ([{"namespaceSelector": labels_are(team="platform")}], [80, 8080, 9000])]))
    if rng.random() < 0.5:
        result.policies.append(policy(ns, "frontend", labels_are(tier="frontend"), ingress=[
            ([{"ipBlock": {"cidr": "0.0.0.0/0", "except": ["10.0.0.0/8"]}}], [80])]))
    if rng.random() < 0.2:
        blocks = [{"ipBlock": {"cidr": f"198.18.{rng.randrange(256)}.{16 * rng.randrange(16)}/28"}}
                  for _ in range(rng.randint(1, 20))]
        result.policies.append(policy(ns, "partners", labels_are(tier="api"), egress=[
            (blocks, [443])]))


def realistic(n_pods=1000, n_nodes=10, seed=1):
    """Sizes of namespaces follow a power law: the largest has a tenth of all pods."""
    rng = random.Random(seed)
    result = Objects(nodes=node_names(n_nodes))
    result.namespaces.append(namespace("shared", {"team": "platform"}))
    for name in ("dns", "metrics"):
        result.pods += _deployment_pods(rng, "shared", name, "api", 53, 2, result.nodes, "v1")
    index = 0
    while len(result.pods) < n_pods:
        index += 1
        ns = f"{rng.choice(('shop', 'pay', 'ads', 'ml', 'web', 'iot'))}-{index}"
        team = f"team-{rng.randrange(1 + n_pods // 500)}"
        budget = min(n_pods - len(result.pods),
                     min(n_pods // 10 or 1, max(2, round(4 * rng.paretovariate(0.9)))))
        subnets = f"10.{200 + index % 50}.0.0/16" if budget > 200 else None
        taken = {n["metadata"]["annotations"].get("virga.dev/subnets") for n in result.namespaces}
        result.namespaces.append(namespace(ns, {"team": team, "env": rng.choice(("prod", "test"))},
                                           None if subnets in taken else subnets))
        app = 0
        while budget > 0:
            app += 1
            budget -= _app(rng, result, ns, f"app{app}", budget)
        _namespace_policies(rng, result, ns)
    return result


# --- churn -----------------------------------------------------------------------------


def _replica_sets(objects):
    """Pods of one template, by (namespace, app, tier)."""
    sets = {}
    for p in objects.pods:
        labels = p["metadata"]["labels"]
        if "pod-template-hash" in labels:
            key = p["metadata"]["namespace"], labels["app"], labels["tier"]
            sets.setdefault(key, []).append(p)
    return sets


def _port_of(p):
    return p["spec"]["containers"][0]["ports"][0]["containerPort"]


def _roll(rng, objects, pods):
    """A new template: one pod comes, one goes, until all are new."""
    old = list(pods)
    labels = old[0]["metadata"]["labels"]
    version = f"v{int(labels['version'][1:]) + 1}"
    new = _deployment_pods(rng, old[0]["metadata"]["namespace"], labels["app"], labels["tier"],
                           _port_of(old[0]), len(old), objects.nodes, version)
    for fresh, gone in zip(new, old):
        pods.append(fresh)
        yield "create", fresh
        pods.remove(gone)
        yield "delete", gone


def _scale(rng, objects, pods):
    """By up to a half, either way; one pod stays."""
    for _ in range(rng.randint(1, max(1, len(pods) // 2))):
        if rng.random() < 0.5 and len(pods) > 1:
            yield "delete", pods.pop(rng.randrange(len(pods)))
        else:
            like = pods[0]["metadata"]
            name = like["name"].rpartition("-")[0]
            fresh = pod(like["namespace"], f"{name}-{_suffix(rng)}", rng.choice(objects.nodes),
                        dict(like["labels"]), _port_of(pods[0]))
            pods.append(fresh)
            yield "create", fresh


def _relabel(rng, pods):
    """One pod leaves its Deployment's labels, as for a look at it, and comes back."""
    p = rng.choice(pods)
    labels = p["metadata"]["labels"]
    for value in ("debug", labels["tier"]):
        changed = {**p, "metadata": {**p["metadata"], "labels": {**labels, "tier": value}}}
        yield "update", changed


def _restart(rng, objects, stateful):
    """The same name and labels, perhaps on another node."""
    p = rng.choice(stateful)
    yield "delete", p
    p["spec"]["nodeName"] = rng.choice(objects.nodes)
    yield "create", p


def _repolicy(rng, objects):
    """A policy goes and comes back."""
    p = rng.choice(objects.policies)
    yield "delete", p
    yield "create", p


def churn(objects, seed=1):
    """Endless (verb, object), verb "create", "update" or "delete", in the proportions of
    a busy cluster.  Between two steps the cluster is what all steps so far make of it."""
    rng = random.Random(seed)
    sets = _replica_sets(objects)
    keys = sorted(sets)
    stateful = [p for p in objects.pods
                if "statefulset.kubernetes.io/pod-name" in p["metadata"]["labels"]]
    while True:
        pods = sets[rng.choice(keys)]
        choice = rng.random()
        if choice < 0.5:
            yield from _roll(rng, objects, pods)
        elif choice < 0.75:
            yield from _scale(rng, objects, pods)
        elif choice < 0.85:
            yield from _relabel(rng, pods)
        elif choice < 0.95 and stateful:
            yield from _restart(rng, objects, stateful)
        elif objects.policies:
            yield from _repolicy(rng, objects)


# --- command ---------------------------------------------------------------------------


def make(shape, pods=None, policies=None, nodes=None, seed=1):
    counts = {"n_nodes": nodes, "seed": seed}
    if shape == "tenants":
        counts["n_namespaces"] = pods and max(1, pods // 4)
    else:
        counts["n_pods"] = pods
    if shape in ("apps", "crowd"):
        counts["n_policies"] = policies
    shapes = {"realistic": realistic, "tenants": tenants, "crowd": crowd, "apps": apps}
    return shapes[shape](**{k: v for k, v in counts.items() if v is not None})


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("shape", choices=["realistic", "tenants", "crowd", "apps"])
    for option in ("--pods", "--policies", "--nodes"):
        parser.add_argument(option, type=int)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    for obj in make(args.shape, args.pods, args.policies, args.nodes, args.seed):
        json.dump(obj, sys.stdout, separators=(",", ":"))
        sys.stdout.write("\n")


if __name__ == "__main__":
    main()
