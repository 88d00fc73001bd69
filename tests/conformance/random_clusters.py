"""Random clusters; one that fails is made smaller while it still does."""
import copy
import os

import families
import generator
import policy_model
import proof

REPORTS = os.path.join(proof.BUILD, "conformance")
MAX_CONNECTIONS = 30


def fewer(objects):
    """Each cluster with one thing less, the largest things first."""
    for i, thing in enumerate(objects):
        if thing["kind"] not in ("Node", "Namespace"):
            yield objects[:i] + objects[i + 1:]
    for i, thing in enumerate(objects):
        if set(thing.get("spec", {})) & {"ingress", "egress"}:
            for smaller in fewer_in(thing["spec"]):
                yield objects[:i] + [dict(thing, spec=smaller)] + objects[i + 1:]


def fewer_in(spec):
    """Each spec with one element less of one list of rules, peers or ports."""
    for direction in ("ingress", "egress"):
        for i, rule in enumerate(spec.get(direction) or []):
            without = copy.deepcopy(spec)
            del without[direction][i]
            yield without
            for key in ("from", "to", "ports", "protocols"):
                # An empty list would mean something else.
                for j in range(len(rule.get(key) or []) if len(rule.get(key) or []) > 1 else 0):
                    without = copy.deepcopy(spec)
                    del without[direction][i][key][j]
                    yield without


def possible(objects, cells):
    """The cells whose pods are still there."""
    there = set(proof.NODES.values()) | set(generator.WORLD) | {e[2] for e in proof.ends(objects)}
    there = {families.origin(address) for address in there}
    return [cell for cell in cells if there.issuperset(map(families.origin, cell[:2]))]


def judged(judge, objects, cells):
    """Differences; a refusal is one of the whole cluster."""
    try:
        return judge.differences(objects, cells), None
    except proof.Refused as error:
        return [], str(error)


def shrink(judge, objects, cells):
    """A smaller cluster in which some of 'cells' still fail."""
    smaller = True
    while smaller:
        smaller = False
        for candidate in fewer(objects):
            left = possible(candidate, cells)
            if left and judged(judge, candidate, left)[0]:
                objects, smaller = candidate, True
                break
    return objects


def tell(judge, seed, objects, wrong):
    objects = shrink(judge, objects, [cell for cell, _, _ in wrong])
    left = judged(judge, objects, possible(objects, [cell for cell, _, _ in wrong]))[0]
    os.makedirs(REPORTS, exist_ok=True)
    path = os.path.join(REPORTS, f"seed-{seed}.yaml")
    with open(path, "w", encoding="utf-8") as file:
        file.write(proof.manifest(objects))
    return [proof.describe(objects, left), f"  smallest cluster that shows it: {path}",
            *(f"  {line}" for line in proof.manifest(
                [o for o in objects if o["kind"].endswith(("Policy", "Group"))]).splitlines())]


def check(judge, seed):
    """Lines of problems, none if the cluster is right."""
    objects, cells = generator.cluster(seed)
    wrong, refusal = judged(judge, objects, cells)
    if refusal:
        return [f"  {refusal}"]
    return tell(judge, seed, objects, wrong) if wrong else interrupted(judge, objects, cells)


def interrupted(judge, objects, cells):
    """Connections that are allowed go on, in both directions."""
    cluster = policy_model.Cluster(objects)
    allowed = [cell for cell in cells if cluster.verdict(*cell) == ("allow", "allow")]
    allowed = allowed[::len(allowed) // MAX_CONNECTIONS + 1]
    name = proof.name_of(objects)
    return [f"  {name(c[0])} > {name(c[1])} {c[2]}/{c[3]} is allowed, but its {kind} is {seen}"
            for c, kind, seen in judge.interrupted(objects, allowed)]


def run(judge, report, first, count):
    for seed in range(first, first + count):
        report.progress(f"random cluster {seed - first + 1} of {count}")
        problems = check(judge, seed)
        if problems:
            problems.append(f"  again: tests/conformance/run --seed {seed}")
        report.check(f"random-cluster-seed-{seed}", problems)
