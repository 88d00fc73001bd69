"""Bad input: refused with file, line, field and reason; nothing of the file is applied."""
import json

from e2elib.harness import allowed
from e2elib.objects import namespace, pod
from e2elib.runner import check, equal, test
from lablib.system import LabError, wait_until

GOOD = """\
apiVersion: v1
kind: Namespace
metadata:
  name: half-applied
---
"""
POLICY = GOOD + """\
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  namespace: half-applied
  name: bad
spec:
"""
# What is wrong: (text after POLICY or whole text, line, words that the message must have).
SPECS = {
    "invalid CIDR": ("""\
  podSelector: {}
  ingress:
  - from:
    - ipBlock:
        cidr: 10.0.0.0/33
""", 16, ["spec.ingress[0].from[0].ipBlock.cidr", "10.0.0.0/33"]),
    "except outside its cidr": ("""\
  podSelector: {}
  ingress:
  - from:
    - ipBlock:
        cidr: 10.0.0.0/8
        except:
        - 11.0.0.0/16
""", 18, ["spec.ingress[0].from[0].ipBlock.except[0]", "11.0.0.0/16"]),
    "endPort below port": ("""\
  podSelector: {}
  ingress:
  - ports:
    - protocol: TCP
      port: 2000
      endPort: 1000
""", 17, ["spec.ingress[0].ports[0].endPort"]),
    "label syntax": ("""\
  podSelector:
    matchLabels:
      "no good": x
""", 13, ["spec.podSelector.matchLabels", "no good"]),
    "unknown protocol": ("""\
  podSelector: {}
  ingress:
  - ports:
    - protocol: TCQ
      port: 80
""", 15, ["spec.ingress[0].ports[0].protocol", "TCQ"]),
    "port out of range": ("""\
  podSelector: {}
  egress:
  - ports:
    - port: 65536
""", 15, ["spec.egress[0].ports[0].port", "65536"]),
}
TEXTS = {
    "bad YAML": (GOOD + "apiVersion: v1\nkind: [unclosed\nmetadata: {}\n", None, []),
    "unknown kind": (GOOD + "apiVersion: v1\nkind: Gadget\nmetadata:\n  name: x\n", None,
                     ["Gadget"]),
    "no name": (GOOD + "apiVersion: v1\nkind: Namespace\nmetadata: {}\n", None, ["metadata.name"]),
    "bad name": (GOOD + "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: No_Good\n", 9,
                 ["metadata.name", "No_Good"]),
    "tab in YAML": (GOOD + "apiVersion: v1\nkind: Namespace\nmetadata:\n\tname: x\n", 9, []),
}


def exists(lab, path):
    try:
        return lab.api.get(path)
    except LabError:
        return None


@test
def broken_manifests_are_refused_whole(lab):
    cases = {**TEXTS, **{k: (POLICY + text, line, words)
                         for k, (text, line, words) in SPECS.items()}}
    problems = []
    for what, (text, line, words) in cases.items():
        path = lab.write(text, "broken.yaml")
        done = lab.ctl("apply", "-f", path, check_status=False)
        said = done.stderr + done.stdout
        if done.returncode != 1:
            problems.append(f"{what}: exit {done.returncode} instead of 1: {said}")
        where = f"broken.yaml:{line}:" if line else "broken.yaml:"
        problems += [f"{what}: \"{word}\" is not in: {said}"
                     for word in [where, *words] if word not in said]
        if exists(lab, "/api/v1/namespaces/half-applied"):
            problems.append(f"{what}: the good object of the file was applied")
            lab.api.call("DELETE", "/api/v1/namespaces/half-applied")
    check(not problems, "\n".join(problems))


@test
def lab_apply_passes_the_refusal_on(lab):
    path = lab.write(GOOD + "apiVersion: v1\nkind: Gadget\nmetadata:\n  name: x\n", "broken.yaml")
    done = lab.run("apply", "-f", path, check_status=False)
    equal(done.returncode, 1, "exit code of lab apply")
    check("broken.yaml:" in done.stderr + done.stdout, "no file name in the message")


@test
def missing_file_and_empty_file(lab):
    equal(lab.ctl("apply", "-f", "/no/such/file.yaml", check_status=False).returncode, 1,
          "exit code for a missing file")
    done = lab.ctl("apply", "-f", lab.write("# nothing\n---\n", "empty.yaml"), check_status=False)
    check(done.returncode in (0, 1), f"exit code for an empty file: {done.returncode}")


def problem_of(lab, name):
    """The condition that says what is wrong with a pod, once it is there."""
    def look():
        conditions = lab.get_pod(name).get("status", {}).get("conditions", [])
        return [c for c in conditions if c.get("status") == "False" and c.get("reason")]
    return wait_until(look, 10, f"a condition on {name}")


def plant(lab, *objects):
    """Objects without the lab making their pods real."""
    for obj in objects:
        ns = obj["metadata"].get("namespace")
        where = f"/namespaces/{ns}/pods" if ns else "/namespaces"
        lab.api.call("POST", f"/api/v1{where}", obj)


@test
def taken_static_address(lab):
    lab.apply(namespace("s", {"virga.dev/subnets": "10.200.1.0/24"}),
              pod("s/first", "node-1", annotations={"virga.dev/ip": "10.200.1.9"}))
    plant(lab, pod("s/second", "node-2", annotations={"virga.dev/ip": "10.200.1.9"}))
    conditions = problem_of(lab, "s/second")
    check(any("10.200.1.9" in c["message"] for c in conditions), f"conditions: {conditions}")
    status = lab.api.status()["problems"]
    check(any(p["name"] == "second" and p["reason"] == "AddressTaken" for p in status),
          f"problems in the status: {status}")
    equal(lab.ip("s/first"), "10.200.1.9", "the first keeps its address")
    lab.delete("pod", "s/first")
    wait_until(lambda: not lab.api.status()["problems"], 10, "the problem to go with the first pod")
    lab.settle()
    equal(lab.ip("s/second"), "10.200.1.9", "the second has it now")


@test
def static_address_outside_the_subnet(lab):
    lab.apply(namespace("s", {"virga.dev/subnets": "10.200.2.0/24"}))
    plant(lab, pod("s/lost", "node-1", annotations={"virga.dev/ip": "10.99.0.1"}))
    check(any("10.99.0.1" in c["message"] for c in problem_of(lab, "s/lost")), "no word of it")


@test
def exhausted_subnet(lab):
    lab.apply(namespace("s", {"virga.dev/subnets": "10.200.3.0/30"}))
    plant(lab, *(pod(f"s/p{i}", "node-1") for i in range(3)))

    def exhausted():
        return [p for p in lab.api.status()["problems"] if p["reason"] == "SubnetExhausted"]
    waiting = wait_until(exhausted, 10, "SubnetExhausted in the status")
    check(problem_of(lab, f"s/{waiting[0]['name']}"), "no condition on the pod")
    # Room again, and the one that waited gets it.
    served = [f"p{i}" for i in range(3) if f"p{i}" not in {p["name"] for p in waiting}]
    check(served, "nobody got an address")
    lab.api.call("DELETE", f"/api/v1/namespaces/s/pods/{served[0]}")
    wait_until(lambda: len(exhausted()) < len(waiting), 10, "a waiting pod to be served")


@test
def node_that_is_not_ready(lab):
    """Its Node says so, a pod for it fails clearly, and works when the node is back."""
    def ready_condition():
        conditions = lab.api.get("/api/v1/nodes/node-2")["status"]["conditions"]
        return next(c for c in conditions if c["type"] == "Ready")

    equal(ready_condition()["status"], "True", "Ready of a good node")
    lab.run("kill", "agent", "node-2")
    wait_until(lambda: ready_condition()["status"] == "False", 30, "the node to be not Ready")
    check(ready_condition()["message"], "no message says why")
    path = lab.write("\n---\n".join(map(json.dumps, [namespace("s"), pod("s/late", "node-2"),
                                                    pod("s/first", "node-1")])))
    done = lab.run("apply", "-f", path, check_status=False)
    equal(done.returncode, 1, "exit code of lab apply")
    check("s/late" in done.stderr and "s/first" not in done.stderr, f"it says: {done.stderr}")
    lab.run("start", "agent", "node-2")
    wait_until(lambda: ready_condition()["status"] == "True", 30, "the node to be Ready")
    lab.run("apply", "-f", path)
    lab.expect(allowed(("s/first", "s/late", 80), ("s/late", "s/first", 80)))
