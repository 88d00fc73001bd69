"""The ready cases by real packets: pods in a lab, policies through the API.

Every connection off the diagonal is tried after every step: TCP and UDP by a
connection and its greeting, SCTP by a raw INIT and its answer.  What should be
denied must be silent (not refused), so patience matters.  A round of attempts
counts only if all that should arrive arrived in it: then the others have been
waited for long enough.  A slow machine repeats the round with more patience.

The userspace conntrack knows no ports of SCTP: while an association is
remembered, its other end may answer from any port, and when it is cut, nothing
that its other end sends is taken for a start for a minute (README, "Limits").
So the two directions of SCTP are tried one after the other, with all connections
forgotten in between, and before policy changes."""
import contextlib
import glob
import os
import sys
import time

import cases
import proof
from switch import TOP, Unixctl

sys.path[:0] = [os.path.join(TOP, "scripts"), os.path.join(TOP, "tests", "e2e")]
os.environ.setdefault("VIRGA_LAB", "conformance")
from e2elib.harness import Lab  # noqa: E402
from lablib import probing  # noqa: E402
from lablib.system import LabError  # noqa: E402

PATIENCE = [0.4, 0.8, 1.6, 3.2]       # Seconds of silence that mean denied.
PLURALS = {"Namespace": "/api/v1/namespaces", "Pod": "/api/v1/namespaces/{}/pods",
           "NetworkPolicy": "/apis/networking.k8s.io/v1/namespaces/{}/networkpolicies"}
CREATED = ["Namespace", "Pod", "NetworkPolicy"]
# A sample for every day: ports by name and number, protocols, addresses, both
# directions, and each kind of change.
SAMPLE = {32, 142, 149, 194, 196, 199}


def key_of(thing):
    meta = thing["metadata"]
    return thing["kind"], meta.get("namespace", ""), meta["name"]


def path_of(key):
    kind, ns, name = key
    return PLURALS[kind].format(ns) + "/" + name


def labels_patch(old, new):
    """What turns the labels of 'old' into those of 'new'."""
    before, after = old["metadata"]["labels"], new["metadata"]["labels"]
    return {"metadata": {"labels": {**{name: None for name in before}, **after},
                         "annotations": new["metadata"]["annotations"]}}


class Cluster:
    """The lab's objects, made what a step says by the calls of a client."""

    def __init__(self, lab):
        self.lab, self.there = lab, {}
        self.switches = []
        for node in lab.inst.nodes():
            control, = glob.glob(lab.inst.path(node, "ovs", "ovs-vswitchd.*.ctl"))
            self.switches.append(Unixctl(control))

    def become(self, objects):
        wanted = {key_of(o): o for o in objects if o["kind"] in CREATED}
        gone = self.there.keys() - wanted.keys()
        new = wanted.keys() - self.there.keys()
        for kind in reversed(CREATED):
            for key in sorted(k for k in gone if k[0] == kind):
                self.lab.api.call("DELETE", path_of(key))
        for kind in CREATED:
            for key in sorted(k for k in wanted if k[0] == kind):
                self.put(key, self.there.get(key), wanted[key])
        self.there = wanted
        if any(key[0] == "Pod" for key in gone | new):
            self.lab.settle()
        else:
            self.lab.api.sync()
        self.control("revalidator/wait")

    def put(self, key, old, new):
        if old is None:
            # A pod's status is the lab's to say.
            made = {name: value for name, value in new.items() if name != "status"}
            self.lab.api.call("POST", path_of(key).rpartition("/")[0], made)
        elif old != new and key[0] == "NetworkPolicy":
            self.lab.api.call("PUT", path_of(key), new)
        elif old != new:
            self.lab.api.merge(path_of(key), labels_patch(old, new))

    def control(self, command):
        for switch in self.switches:
            switch.call_many(command, [[]])

    def forget_connections(self):
        self.control("dpctl/flush-conntrack")


def attempts(step, places):
    """Rounds of (source, destination, port, whether it should be allowed)."""
    rounds = [[], []]
    for name, table in step["expected"].items():
        protocol, number = name.split("/")
        for i, source in enumerate(step["order"]):
            for j, destination in enumerate(step["order"]):
                if i != j:
                    later = protocol == "SCTP" and i > j
                    rounds[later].append((places[source], places[destination],
                                          (protocol.lower(), int(number)),
                                          table["combined"][i][j] == "."))
    return rounds


def wrong_of(tries, results):
    return [(t, got) for t, (got, _) in zip(tries, results)
            if got != ("allowed" if t[3] else "denied")]


def try_round(cluster, tries):
    """[(attempt, result)] of those that are not as they should be."""
    for patience in PATIENCE:
        cluster.forget_connections()
        results = probing.probe(cluster.lab.inst, [t[:3] for t in tries], patience)
        wrong = wrong_of(tries, results)
        if not any(t[3] and got == "denied" for t, got in wrong):
            break
    return wrong


def try_step(cluster, step, ports):
    cluster.forget_connections()
    cluster.become(cases.objects_of(step, ports))
    places = {place.name: place for place in probing.pod_places(cluster.lab.inst)}
    missing = [name for name in step["order"] if name not in places]
    if missing:
        return [f"  not attached: {', '.join(missing)}"], 0
    rounds = attempts(step, places)
    wrong = [one for tries in rounds for one in try_round(cluster, tries)]
    return [f"  {t[0].name} > {t[1].name} {probing.format_port(*t[2])}: "
            f"should be {'allowed' if t[3] else 'denied'}, is {got}"
            for t, got in wrong], sum(map(len, rounds))


@contextlib.contextmanager
def running_lab():
    lab = Lab(TOP, nodes=len(proof.NODES))
    lab.start()
    try:
        yield lab
    finally:
        lab.stop()


def try_case(judge, cluster, case, ports):
    problems = []
    for number, step in enumerate(case["steps"]):
        try:
            wrong, tried = try_step(cluster, step, ports)
        except LabError as error:
            return [*problems, f"  step {number + 1}: {error}"]
        judge.n_cells += tried
        if wrong:
            problems += [f"  step {number + 1}", *wrong[:10]]
            problems += [f"  and {len(wrong) - 10} more"] if len(wrong) > 10 else []
    return problems


def run(judge, report, only):
    """'only': numbers of cases, None for all."""
    data = cases.read()
    if data is None or os.geteuid():
        why = "not root" if os.geteuid() else f"no data at {cases.path()}"
        report.ok(f"ready-cases-on-packets (skipped: {why})")
        return
    chosen = [case for case in data["cases"] if not only or case["n"] in only]
    began = time.monotonic()
    with running_lab() as lab:
        cluster = Cluster(lab)
        for done, case in enumerate(chosen):
            report.progress(f"case {case['n']} on packets, {done + 1} of {len(chosen)}")
            problems = try_case(judge, cluster, case, data["podPorts"])
            report.case(case, "packets", problems)
            report.check(f"packets-{cases.name_of(case)}", problems)
        report.check("packets-daemons-live", lab.died())
    report.note(f"{len(chosen)} ready cases on packets: {time.monotonic() - began:.0f} s")
