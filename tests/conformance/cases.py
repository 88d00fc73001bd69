"""The 112 cases that come as data, each step with the truth table of another
policy engine.  The data is read where it lies and never copied."""
import json
import os
import re
import subprocess
import time

import packets
import policy_model
import proof
from switch import TOP

DEFAULT = os.path.join(TOP, "..", "shared", "conformance", "networkpolicy-cases.json")
N_CASES = 112
# Subnets that hold the addresses of the cases and do not touch.
SUBNETS = {"x": ["10.244.0.0/27"], "y": ["10.244.1.0/26"], "z": ["10.244.0.32/27",
                                                                 "10.244.0.64/27"]}
NEW_PODS = "192.168.1."


def path():
    return os.environ.get("VIRGA_CONFORMANCE") or os.path.relpath(DEFAULT, TOP)


def read():
    try:
        with open(os.path.join(TOP, path()), encoding="utf-8") as file:
            return json.load(file)
    except FileNotFoundError:
        return None


def subnets(name, pods):
    new = any(p["ns"] == name and p["ip"].startswith(NEW_PODS) for p in pods)
    return SUBNETS.get(name, []) + ([NEW_PODS + "0/24"] if new else [])


def objects_of(step, ports):
    """Pods alternate between the nodes, within a namespace and from one to
    the next."""
    ports = [{"name": p["name"], "protocol": p["protocol"], "containerPort": p["port"]}
             for p in ports]
    names = sorted(proof.NODES)
    things = proof.nodes()
    things += [proof.namespace(name, labels, subnets(name, step["pods"]))
               for name, labels in step["namespaces"].items()]
    things += [proof.pod(p["ns"], p["name"], p["labels"], p["ip"], names[i % 2], ports)
               for i, p in enumerate(step["pods"])]
    return things + step["policies"]


def cells_of(step):
    """((source, destination, protocol, port), row, column) off the diagonal."""
    address = {f"{p['ns']}/{p['name']}": p["ip"] for p in step["pods"]}
    for port in step["expected"]:
        protocol, number = port.split("/")
        for i, source in enumerate(step["order"]):
            for j, destination in enumerate(step["order"]):
                if i != j:
                    yield (address[source], address[destination], protocol, int(number)), i, j


def model_problems(step, objects):
    """Where the model and the table disagree, in each of its three parts."""
    cluster = policy_model.Cluster(objects)
    name = proof.name_of(objects)
    problems = []
    for cell, i, j in cells_of(step):
        egress, ingress = (word == "allow" for word in cluster.verdict(*cell))
        table = step["expected"][f"{cell[2]}/{cell[3]}"]
        for part, mine in (("egress", egress), ("ingress", ingress),
                           ("combined", egress and ingress)):
            if table[part][i][j] != (packets.ALLOWED if mine else "X"):
                problems.append(f"  {name(cell[0])} > {name(cell[1])} {cell[2]}/{cell[3]}: "
                                f"{part} is {table[part][i][j]} in the table, not in the model")
    return problems


def name_of(case):
    words = re.sub(r"[^a-z0-9]+", "-", case["description"].lower()).strip("-")[:60]
    return f"case-{case['n']:03}-{words}"


def run(judge, report, only):
    """'only': numbers of cases, None for all."""
    data = read()
    if data is None:
        report.ok(f"ready-cases (skipped: no data at {path()})")
        return
    cases = [case for case in data["cases"] if not only or case["n"] in only]
    if not only:
        report.check("number-of-cases", [] if len(cases) == N_CASES else [f"  {len(cases)}"])
    for done, case in enumerate(cases):
        report.progress(f"case {case['n']} of {len(data['cases'])}")
        problems = []
        for number, step in enumerate(case["steps"]):
            objects = objects_of(step, data["podPorts"])
            cells = [cell for cell, _, _ in cells_of(step)]
            mine = model_problems(step, objects)
            try:
                wrong = judge.differences(objects, cells)
            except proof.Refused as error:
                problems.append(f"  step {number + 1}: {error}")
                continue
            if mine or wrong:
                problems += [f"  step {number + 1}", *mine[:10], proof.describe(objects, wrong)]
        report.case(case, "trace", problems)
        report.check(name_of(case), problems)


def evaluate(_, report, only):
    """evaluate() itself, in its unit test, which says a line for each case."""
    program = os.path.join(proof.BUILD, "test", "conformance_test")
    data = read()
    if data is None or not os.access(program, os.X_OK):
        report.ok(f"evaluator (skipped: no data at {path()}, or {program} is not built)")
        return
    began = time.monotonic()
    done = subprocess.run([program], cwd=TOP, check=False, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True)
    spent = time.monotonic() - began
    said = {int(n): (int(wrong), text) for n, wrong, text in
            re.findall(r"^case (\d+): (\d+) of \d+ cells wrong(.*)$", done.stdout, re.M)}
    for case in data["cases"]:
        if not only or case["n"] in only:
            wrong, text = said.get(case["n"], (1, ": not run"))
            problems = [f"  {wrong} wrong{text}"] if wrong else []
            report.case(case, "evaluator", problems)
            report.check(f"evaluator-{name_of(case)}", problems)
    report.note(f"{len(said)} ready cases in the evaluator: {spent:.2f} s")
