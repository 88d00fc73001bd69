"""Groups and the policies about them, on packets: who is in a group, what each action does, what
an edit of a group opens and cuts, what is in doubt and fails closed."""
import os

from e2elib.harness import allowed, cluster, denied
from e2elib.objects import (group_policy, group_rule, namespace, network_group, pod, policy,
                            policy_group, rule)
from e2elib.runner import check, equal, test
from e2elib.wire import Connection
from revocation_tests import expect_cut, unharmed

SERVER, NEAR, FAR, OTHER = "g/server", "g/near", "g/far", "h/other"
WORLD_A, WORLD_B = cluster.WORLD_IPS
KINDS = "/apis/virga.dev/v1alpha1"
LABEL = "nuage.io/policy-group"


def rejected(*pairs):
    return [(*p, "rejected") for p in pairs]


def stage(lab, *more):
    """The group "server", and clients beside it, on the other node, in another namespace."""
    ports = ("80/TCP", "81/TCP", "80/UDP")
    lab.apply(namespace("g", team="g"), namespace("h", team="h"),
              pod(SERVER, "node-1", ports, role="server"),
              pod(NEAR, "node-1", ports, role="client"), pod(FAR, "node-2", ports, role="client"),
              pod(OTHER, "node-2", ports, role="client"),
              policy_group("server", names=[SERVER]), *more)


def condition(lab, plural, name):
    status = lab.api.get(f"{KINDS}/{plural}/{name}").get("status", {})
    return next(((c["status"], c["reason"]) for c in status.get("conditions", [])
                 if c["type"] == "virga.dev/NetworkReady"), None)


def label_pod(lab, name, **labels):
    ns, _, short = name.partition("/")
    lab.patch(f"/api/v1/namespaces/{ns}/pods/{short}", {"metadata": {"labels": labels}})


def edit_group(lab, name, **spec):
    lab.patch(f"{KINDS}/policygroups/{name}", {"spec": spec})


def hits(lab, name, direction, index):
    """Of all records of one rule together."""
    answer = lab.api.get("/virga/v1/stats?fresh=true")
    check(answer["complete"], f"nodes without counters: {answer.get('missing')}")
    found = [r["hits"] for r in answer["rules"]
             if (r["policy"], r["direction"], r["index"])
             == (f"GroupPolicy//{name}", direction, index)]
    return sum(found)


@test
def the_example_of_groups(lab):
    """By hand, from the text of tests/examples/groups."""
    lab.run("apply", "-f", os.path.join(lab.root, "tests", "examples", "groups"))
    web, db, visitor = ("shop/web-1", "shop/web-2"), "shop/db", "guest/visitor"
    before = hits(lab, "no-guests", "ingress", 0)
    lab.expect(allowed(*((w, db, 5432) for w in web))
               + allowed(("ops/legacy", db, 9187), ("ops/prober", db, 9187))
               + rejected(*((w, db, 9187) for w in web), ("ops/legacy", db, 5432),
                          (visitor, db, 5432))
               + denied((db, web[0], 80), (db, visitor, 80))
               + allowed((visitor, web[0], 80), ("ops/legacy", web[1], 80)))
    for w in web:
        lab.expect_from(lab.inst.netns("world"), WORLD_A, lab.ip(w), 80, "allowed")
        lab.expect_from(lab.inst.netns("world"), WORLD_B, lab.ip(w), 80, "denied")
    check(hits(lab, "no-guests", "ingress", 0) > before, "the dry run counted nothing")
    for plural, name in (("policygroups", "insiders"), ("networkgroups", "offices"),
                         ("grouppolicies", "db")):
        equal(condition(lab, plural, name), ("True", "Ready"), f"{plural}/{name}")


@test
def rules_of_groups_count_connections(lab):
    """Each new connection once: the dry run that would deny it, the rule that accepts it."""
    stage(lab, group_policy("p", "Group", "server", ingress=[
        group_rule("Deny", "from", [{"namespaces": {"matchLabels": {"team": "h"}}}], dryRun=True),
        group_rule("Accept", "from", [{"namespaces": {}}], ["80/TCP"]),
        group_rule("Deny")]))
    lab.expect(allowed((OTHER, SERVER, 80), (NEAR, SERVER, 80)))  # Not counted: first of a path.
    before = [hits(lab, "p", "ingress", i) for i in range(3)]
    for client in (OTHER, NEAR):
        for _ in range(10):
            Connection(lab.netns(client), lab.ip(SERVER), 80).close()
    after = [hits(lab, "p", "ingress", i) for i in range(3)]
    equal([b - a for a, b in zip(before, after)], [10, 20, 0], "hits of dry run, accept, deny")
    lab.expect(denied((NEAR, SERVER, 81), (OTHER, SERVER, 81)))
    check(hits(lab, "p", "ingress", 2) > after[2], "the deny counted nothing")


@test
def a_pass_leaves_it_to_network_policies(lab):
    stage(lab, policy_group("clients", selectors=[{"podSelector": {"matchLabels": {
        "role": "client"}}}]),
        group_policy("p", "Admin", "server", ingress=[
            group_rule("Pass", "from", [{"namespaces": {"matchLabels": {"team": "g"}}}]),
            group_rule("Deny", "from", [{"group": "clients"}])]),
        policy("g/np", {"role": "server"}, ingress=[rule("from", None, ["80/TCP"])]))
    lab.expect(allowed((NEAR, SERVER, 80), (FAR, SERVER, 80))
               + denied((NEAR, SERVER, 81), (FAR, SERVER, 81), (OTHER, SERVER, 80)))


@test
def baseline_gives_way_to_network_policies(lab):
    stage(lab, group_policy("p", "Baseline", "server", ingress=[group_rule("Deny")]))
    lab.expect(denied((NEAR, SERVER, 80), (FAR, SERVER, 80), ("world", SERVER, 80))
               + allowed((SERVER, NEAR, 80), (FAR, OTHER, 80)))
    lab.apply(policy("g/np", {"role": "server"}, ingress=[rule("from", None, ["80/TCP"])]))
    lab.expect(allowed((NEAR, SERVER, 80), (FAR, SERVER, 80)) + denied((NEAR, SERVER, 81)))


@test
def egress_to_networks_and_the_world(lab):
    stage(lab, policy_group("near", names=[NEAR, FAR]),
          network_group("dmz", ("203.0.113.0/24", [])),
          group_policy("p", "Group", "near", egress=[
              group_rule("Accept", "to", [{"networkGroup": "dmz"}], ["80/TCP"]),
              group_rule("Deny", "to", [{"world": True}])]))
    for client in (NEAR, FAR):
        lab.expect_from(lab.netns(client), lab.ip(client), WORLD_A, 80, "allowed")
        lab.expect_from(lab.netns(client), lab.ip(client), WORLD_A, 81, "denied")
        lab.expect_from(lab.netns(client), lab.ip(client), WORLD_B, 80, "denied")
    lab.expect(allowed((NEAR, SERVER, 80), (FAR, SERVER, 81), (NEAR, FAR, 80)))
    lab.apply(network_group("dmz", ("203.0.113.0/24", ["203.0.113.0/28"]),
                            ("198.51.100.0/24", [])))
    for client in (NEAR, FAR):
        lab.expect_from(lab.netns(client), lab.ip(client), WORLD_A, 80, "denied")
        lab.expect_from(lab.netns(client), lab.ip(client), WORLD_B, 80, "allowed")


@test
def the_label_of_nuage_is_membership(lab):
    stage(lab, policy_group("friends"),
          group_policy("p", "Group", "server", ingress=[
              group_rule("Accept", "from", [{"group": "friends"}]), group_rule("Deny")]))
    clients = (NEAR, FAR, OTHER)
    lab.expect(denied(*((c, SERVER, 80) for c in clients)))
    for client in clients:
        label_pod(lab, client, **{LABEL: "friends"})
        lab.expect(allowed((client, SERVER, 80)), f"{client} has the label")
    for client in clients:
        label_pod(lab, client, **{LABEL: None})
        lab.expect(denied((client, SERVER, 80)), f"{client} has lost the label")


@test
def an_edit_of_a_group_cuts_who_is_out(lab):
    stage(lab, policy_group("in", groups=["below"], names=[OTHER]),
          policy_group("below", names=[NEAR, FAR]),
          group_policy("p", "Admin", "server", ingress=[
              group_rule("Accept", "from", [{"group": "in"}]), group_rule("Deny")]))
    near, far, other = (Connection(lab.netns(c), lab.ip(SERVER), 80) for c in (NEAR, FAR, OTHER))
    with unharmed([("other", other), ("near", near)]):
        edit_group(lab, "below", names=[NEAR])
        expect_cut(lab, [("far", far)], "taken out of a nested group")
    lab.expect(denied((FAR, SERVER, 80)) + allowed((NEAR, SERVER, 80), (OTHER, SERVER, 80)))
    with unharmed([("other", other)]):
        edit_group(lab, "in", groups=[])
        expect_cut(lab, [("near", near)], "the group below is taken out")
    edit_group(lab, "in", groups=["below"])
    lab.expect(allowed((NEAR, SERVER, 80), (OTHER, SERVER, 80)) + denied((FAR, SERVER, 80)))
    for connection in (near, far, other):
        connection.close()


@test
def an_edit_of_a_network_group_cuts_who_is_out(lab):
    stage(lab, network_group("out", ("203.0.113.0/24", []), ("198.51.100.0/24", [])),
          policy_group("near", names=[NEAR]),
          group_policy("p", "Group", "near", egress=[
              group_rule("Accept", "to", [{"networkGroup": "out"}]), group_rule("Deny")]))
    a, b = (Connection(lab.netns(NEAR), ip, 80) for ip in (WORLD_A, WORLD_B))
    with unharmed([("b", b)]):
        lab.apply(network_group("out", ("198.51.100.0/24", [])))
        expect_cut(lab, [("a", a)], "its network is taken out")
    a.close()
    b.close()


@test
def groups_in_doubt_fail_closed(lab):
    stage(lab, group_policy("p", "Admin", "server", ingress=[
        group_rule("Accept", "from", [{"group": "nobody"}, {"namespaces": {}}], ["80/TCP"]),
        group_rule("Pass", "from", [{"networkGroup": "nowhere"}], ["81/TCP"])]))
    lab.expect(denied((NEAR, SERVER, 80), (FAR, SERVER, 81), (OTHER, SERVER, "80/UDP"))
               + allowed((SERVER, NEAR, 80)))
    equal(condition(lab, "grouppolicies", "p"), ("False", "GroupNotResolved"), "unknown groups")

    lab.apply(policy_group("nobody"), network_group("nowhere"))
    lab.expect(allowed((NEAR, SERVER, 80), (FAR, SERVER, 81), (OTHER, SERVER, "80/UDP")))
    equal(condition(lab, "grouppolicies", "p")[0], "True", "groups that are there")

    lab.apply(policy_group("nobody", groups=["a"]), policy_group("a", groups=["nobody"]),
              group_policy("q", "Group", "server", ingress=[
                  group_rule("Deny", "from", [{"group": "a"}])]))
    lab.expect(denied((NEAR, SERVER, 80), (FAR, SERVER, 81)))
    for plural, name in (("policygroups", "a"), ("policygroups", "nobody"),
                         ("grouppolicies", "p"), ("grouppolicies", "q")):
        equal(condition(lab, plural, name), ("False", "GroupNotResolved"), f"{plural}/{name}")

    edit_group(lab, "a", groups=[])
    lab.expect(allowed((NEAR, SERVER, 80), (FAR, SERVER, 81)))
    for plural, name in (("policygroups", "a"), ("grouppolicies", "q")):
        equal(condition(lab, plural, name)[0], "True", f"{plural}/{name} without the cycle")
