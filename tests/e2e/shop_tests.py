"""The shop of tests/examples, in every cell, through the commands a user types."""
import json
import os

from e2elib.harness import denied
from e2elib.objects import (labelled, namespace, namespaces_peer, pod, pods_peer, policy, rule)
from e2elib.runner import check, equal, test

# By hand, from the policies' text: rows reach columns.
FRONTENDS = ["shop/frontend-1", "shop/frontend-2"]
PODS = [*FRONTENDS, "shop/api", "shop/redis", "outside/visitor"]
LISTENS = {"shop/frontend-1": "80/TCP", "shop/frontend-2": "80/TCP", "shop/api": "8080/TCP",
           "shop/redis": "6379/TCP", "outside/visitor": "80/TCP"}
AFTER = {
    "shop/frontend-1": {"shop/frontend-2", "shop/api", "shop/redis", "outside/visitor"},
    "shop/frontend-2": {"shop/frontend-1", "shop/api", "shop/redis", "outside/visitor"},
    "shop/api": {"shop/frontend-1", "shop/frontend-2", "outside/visitor"},
    "shop/redis": set(),
    "outside/visitor": {"shop/frontend-1", "shop/frontend-2"},
}


def shop(lab, *files):
    directory = os.path.join(lab.root, "tests", "examples", "shop")
    return [word for f in files for word in ("-f", os.path.join(directory, f))]


def compare(lab, reaches):
    """The whole matrix of "lab probe --json" against who reaches whom."""
    cells = json.loads(lab.run("probe", "--json").stdout)
    equal(sorted(cells), ["6379/TCP", "80/TCP", "8080/TCP"], "probed ports")
    wrong = []
    for source in PODS:
        for to in PODS:
            wanted = "allowed" if to == source or to in reaches(source) else "denied"
            got = cells[LISTENS[to]].get(source, {}).get(to)
            if got != wanted:
                wrong.append(f"{source} -> {to} {LISTENS[to]}: {got} instead of {wanted}")
    check(not wrong, "\n".join(wrong))


def start_shop(lab):
    lab.run("apply", *shop(lab, "10-namespaces.yaml", "20-pods.yaml"))


@test
def shop_is_open_before_policies(lab):
    start_shop(lab)
    compare(lab, lambda source: PODS)


@test
def shop_is_right_in_every_cell_after_policies(lab):
    start_shop(lab)
    lab.run("apply", *shop(lab, "30-policies.yaml"))
    compare(lab, lambda source: AFTER[source])


@test
def shop_applied_as_a_directory_at_once(lab):
    lab.run("apply", "-f", os.path.join(lab.root, "tests", "examples", "shop"))
    compare(lab, lambda source: AFTER[source])
    # A second time changes nothing and is no error.
    lab.run("apply", "-f", os.path.join(lab.root, "tests", "examples", "shop"))
    compare(lab, lambda source: AFTER[source])


@test
def shop_other_ports_are_closed_too(lab):
    start_shop(lab)
    lab.run("apply", *shop(lab, "30-policies.yaml"))
    lab.expect(denied(("shop/frontend-1", "shop/redis", 6380), ("shop/api", "shop/redis", 80),
                      ("shop/frontend-1", "shop/redis", "6379/UDP"),
                      ("outside/visitor", "shop/frontend-1", 443)))
    # The policy opens the port; that nobody listens there is another matter.
    result = lab.run("connect", "shop/redis", "shop/redis", "1", check_status=False)
    equal((result.returncode, result.stdout.strip()), (2, "rejected"), "a closed port of its own")


@test
def shop_flows_lead_back_to_policies(lab):
    start_shop(lab)
    lab.run("apply", *shop(lab, "30-policies.yaml"))
    dump = lab.node("node-2", "ovs-ofctl", "dump-flows", "br-int")
    check("conj_id=" in dump and "conjunction(" in dump, "no conjunctions in the flows of node-2")
    check("cookie=0x56" in dump, "no Virga cookies in the flows of node-2")
    words = lab.ctl("explain", stdin=dump).stdout
    check("shop/redis-from-frontend" in words, f"explain does not name the policy:\n{words[:2000]}")
    check("shop/redis" in words, "explain does not name the endpoint")


@test
def shop_is_deleted_with_its_pods(lab):
    before = [lab.node(n, "ovs-vsctl", "list-ports", "br-int") for n in ("node-1", "node-2")]
    start_shop(lab)
    lab.run("delete", *shop(lab, "20-pods.yaml"))
    equal(json.loads(lab.run("status", "--json").stdout)["pods"], [], "pods after delete")
    equal(lab.run("probe", "--json").stdout.strip(), "{}", "matrix without pods")
    after = [lab.node(n, "ovs-vsctl", "list-ports", "br-int") for n in ("node-1", "node-2")]
    equal(after, before, "ports of br-int")


@test
def connect_says_allowed_denied_rejected(lab):
    start_shop(lab)
    lab.run("apply", *shop(lab, "30-policies.yaml"))
    for argv, wanted in (
            (["shop/frontend-1", "shop/redis", "6379"], (0, "allowed")),
            (["shop/api", "shop/redis", "6379/TCP", "--timeout", "1"], (1, "denied")),
            (["shop/api", "outside/visitor", "81"], (2, "rejected")),
            (["shop/api", "outside/visitor", "81/UDP"], (2, "rejected"))):
        done = lab.run("connect", *argv, check_status=False)
        equal((done.returncode, done.stdout.strip()), wanted, f"connect {' '.join(argv)}")
    done = lab.run("connect", "shop/frontend-1", "shop/redis", "6379", "--json")
    answer = json.loads(done.stdout)
    equal((answer["result"], answer["answer"]), ("allowed", "shop/redis"), "connect --json")
    equal(lab.run("connect", "shop/nobody", "shop/redis", "1", check_status=False).returncode, 3,
          "exit code for a pod that is not there")


@test
def nine_pods_four_ports_probe(lab):
    """324 cells with three namespaces, right in each."""
    ports = ["80/TCP", "81/TCP", "80/UDP", "81/UDP"]
    names = [f"{ns}/{p}" for ns in "xyz" for p in "abc"]
    lab.apply(*(namespace(n, ns=n) for n in "xyz"),
              *(pod(name, f"node-{1 + i % 2}", ports, pod=name[-1])
                for i, name in enumerate(names)),
              policy("x/web", {"pod": "a"}, types=["Ingress", "Egress"], ingress=[
                  rule("from", [namespaces_peer(ns="y")], ["80/TCP", "81/UDP"]),
                  rule("from", [{**namespaces_peer(ns="z"), **pods_peer(pod="c")}])]),
              policy("y/out", {}, egress=[
                  rule("to", [{"namespaceSelector": labelled(None), **pods_peer(pod="a")}])]))

    def wanted(source, to, port):
        if source == to:
            return True
        if source[0] == "x" and source[-1] == "a":
            return False  # x/web: Egress with no rule.
        if source[0] == "y" and to[-1] != "a":
            return False  # y/out: pods a of any namespace only.
        if to == "x/a":
            return (source[0] == "y" and port in ("80/TCP", "81/UDP")) or source == "z/c"
        return True

    cells = json.loads(lab.run("probe", "--json", "--ports", ",".join(ports)).stdout)
    wrong = [f"{s} -> {t} {p}: {cells[p][s][t]}" for p in ports for s in names for t in names
             if cells[p][s][t] != ("allowed" if wanted(s, t, p) else "denied")]
    check(not wrong, "\n".join(wrong))
