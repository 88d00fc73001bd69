"""What each part of a NetworkPolicy does to packets, and what changes of objects do."""
from e2elib.harness import allowed, cluster, denied
from e2elib.objects import (block_peer, labelled, namespace, namespaces_peer, pod, pods_peer,
                            policy, rule)
from e2elib.runner import test

NEAR, FAR, OTHER = "t/near", "t/far", "u/other"
SERVER = "t/server"
WORLD_A, WORLD_B = cluster.WORLD_IPS


def stage(lab, *more, ports=("80/TCP", "81/TCP", "80/UDP")):
    """A server on node-1, clients beside it, on the other node, in another namespace."""
    lab.apply(namespace("t", team="t"), namespace("u", team="u"),
              pod(SERVER, "node-1", ports, role="server"),
              pod(NEAR, "node-1", ports, role="client"), pod(FAR, "node-2", ports, role="client"),
              pod(OTHER, "node-2", ports, role="client"), *more)


def label_pod(lab, name, **labels):
    ns, _, short = name.partition("/")
    lab.patch(f"/api/v1/namespaces/{ns}/pods/{short}", {"metadata": {"labels": labels}})


@test
def ingress_by_pods_of_the_namespace(lab):
    stage(lab, policy("t/p", {"role": "server"}, ingress=[
        rule("from", [pods_peer(role="client")], ["80/TCP"])]))
    lab.expect(allowed((NEAR, SERVER, 80), (FAR, SERVER, 80))
               + denied((OTHER, SERVER, 80), (NEAR, SERVER, 81), (FAR, SERVER, 81),
                        (NEAR, SERVER, "80/UDP"))
               + allowed((SERVER, NEAR, 80), (SERVER, OTHER, 80), (NEAR, FAR, 81)))


@test
def ingress_by_namespace_and_by_both_selectors(lab):
    stage(lab, pod("u/stranger", "node-1", role="guest"),
          policy("t/p", {"role": "server"}, ingress=[
              rule("from", [namespaces_peer(team="u")], ["80/TCP"]),
              rule("from", [{**namespaces_peer(team="u"), **pods_peer(role="guest")}],
                   ["81/TCP"])]))
    lab.expect(allowed((OTHER, SERVER, 80), ("u/stranger", SERVER, 80),
                       ("u/stranger", SERVER, 81))
               + denied((NEAR, SERVER, 80), (FAR, SERVER, 80), (OTHER, SERVER, 81)))


@test
def empty_rule_allows_all_no_rule_denies_all(lab):
    stage(lab, policy("t/open", {"role": "server"}, ingress=[{}]),
          policy("t/shut", {"role": "client"}, ingress=[]))
    lab.expect(allowed((OTHER, SERVER, 80), (FAR, SERVER, "80/UDP"), (NEAR, SERVER, 81))
               + denied((SERVER, NEAR, 80), (OTHER, FAR, 80), (NEAR, FAR, "80/UDP")))


@test
def egress_by_peer_and_port(lab):
    stage(lab, policy("t/p", {"role": "client"}, egress=[
        rule("to", [pods_peer(role="server")], ["80/TCP", "80/UDP"])]))
    lab.expect(allowed((NEAR, SERVER, 80), (FAR, SERVER, 80), (FAR, SERVER, "80/UDP"))
               + denied((NEAR, SERVER, 81), (FAR, SERVER, 81), (NEAR, FAR, 80), (FAR, OTHER, 80),
                        (NEAR, "world", 80))
               + allowed((SERVER, NEAR, 80), (OTHER, NEAR, 80), (OTHER, "world", 80)))


@test
def egress_and_ingress_must_both_agree(lab):
    stage(lab, policy("t/out", {"role": "client"}, egress=[
        rule("to", [pods_peer(role="server")], ["80/TCP", "81/TCP"])]),
        policy("t/in", {"role": "server"}, ingress=[
            rule("from", None, ["81/TCP", "80/UDP"])]))
    lab.expect(allowed((NEAR, SERVER, 81), (FAR, SERVER, 81), (OTHER, SERVER, "80/UDP"))
               + denied((NEAR, SERVER, 80), (FAR, SERVER, 80), (NEAR, SERVER, "80/UDP"),
                        (FAR, SERVER, "80/UDP"), (OTHER, SERVER, 80)))


@test
def port_ranges(lab):
    ports = [f"{n}/{p}" for n in (999, 1000, 1003, 1007, 1008) for p in ("TCP", "UDP")]
    stage(lab, policy("t/p", {"role": "server"}, ingress=[
        rule("from", None, ["1000-1007/TCP", "1003-1008/UDP"])]), ports=ports)
    lab.expect([(client, SERVER, f"{n}/TCP", "allowed" if 1000 <= n <= 1007 else "denied")
                for n in (999, 1000, 1003, 1007, 1008) for client in (NEAR, FAR)]
               + [(client, SERVER, f"{n}/UDP", "allowed" if 1003 <= n <= 1008 else "denied")
                  for n in (999, 1000, 1003, 1007, 1008) for client in (NEAR, FAR)])


@test
def ip_block_egress_with_except(lab):
    stage(lab, policy("t/p", {"role": "client"}, egress=[
        rule("to", [block_peer("0.0.0.0/0", "198.51.100.0/24", "10.0.0.0/8")], ["80/TCP"])]))
    from_near = lab.netns(NEAR)
    lab.expect_from(from_near, lab.ip(NEAR), WORLD_A, 80, "allowed")
    lab.expect_from(from_near, lab.ip(NEAR), WORLD_B, 80, "denied")
    lab.expect_from(lab.netns(FAR), lab.ip(FAR), WORLD_A, 80, "allowed")
    lab.expect_from(lab.netns(FAR), lab.ip(FAR), WORLD_B, 80, "denied")
    lab.expect(denied((NEAR, SERVER, 80), (FAR, "world", 81)))


@test
def ip_block_ingress_from_the_world(lab):
    stage(lab, policy("t/p", {"role": "server"}, ingress=[
        rule("from", [block_peer("192.0.0.0/2", "198.51.100.0/24")], ["80/TCP"])]))
    world = lab.inst.netns("world")
    lab.expect_from(world, WORLD_A, lab.ip(SERVER), 80, "allowed")
    lab.expect_from(world, WORLD_B, lab.ip(SERVER), 80, "denied")
    lab.expect_from(world, WORLD_A, lab.ip(SERVER), 81, "denied")
    lab.expect(denied((NEAR, SERVER, 80), (FAR, SERVER, 80)) + allowed(("world", NEAR, 80)))


@test
def ip_block_of_a_pod_address(lab):
    """Pods' own addresses are matched too: nothing translates them inside the cluster."""
    stage(lab)
    lab.apply(policy("t/p", {"role": "server"}, ingress=[
        rule("from", [block_peer(f"{lab.ip(FAR)}/32")], ["80/TCP"])]))
    lab.expect(allowed((FAR, SERVER, 80)) + denied((NEAR, SERVER, 80), (OTHER, SERVER, 80)))


@test
def update_of_a_policy(lab):
    stage(lab, policy("t/p", {"role": "server"}, ingress=[
        rule("from", [pods_peer(role="client")], ["80/TCP"])]))
    lab.expect(allowed((NEAR, SERVER, 80), (FAR, SERVER, 80)) + denied((FAR, SERVER, 81)))
    lab.apply(policy("t/p", {"role": "server"}, ingress=[
        rule("from", [namespaces_peer(team="u")], ["81/TCP"])]))
    lab.expect(denied((NEAR, SERVER, 80), (FAR, SERVER, 80), (FAR, SERVER, 81),
                      (OTHER, SERVER, 80)) + allowed((OTHER, SERVER, 81)))


@test
def delete_of_a_policy(lab):
    stage(lab, policy("t/shut", {}, ingress=[]),
          policy("t/p", {"role": "server"}, ingress=[rule("from", None, ["80/TCP"])]))
    lab.expect(allowed((FAR, SERVER, 80)) + denied((FAR, SERVER, 81), (SERVER, NEAR, 80)))
    lab.delete("networkpolicy", "t/p")
    lab.expect(denied((FAR, SERVER, 80), (NEAR, SERVER, 80), (FAR, SERVER, 81)))
    lab.delete("networkpolicy", "t/shut")
    lab.expect(allowed((FAR, SERVER, 80), (NEAR, SERVER, 81), (SERVER, NEAR, 80)))


@test
def relabel_of_a_pod(lab):
    stage(lab, policy("t/p", {"role": "server"}, ingress=[
        rule("from", [pods_peer(role="admin")], ["80/TCP"])]))
    lab.expect(denied((NEAR, SERVER, 80), (FAR, SERVER, 80)))
    label_pod(lab, FAR, role="admin")
    lab.expect(allowed((FAR, SERVER, 80)) + denied((NEAR, SERVER, 80)), "FAR became admin")
    label_pod(lab, NEAR, role="server")  # A subject now, and still no peer.
    lab.expect(allowed((FAR, NEAR, 80)) + denied((OTHER, NEAR, 80), (NEAR, SERVER, 80)),
               "NEAR became a server")
    label_pod(lab, FAR, role="client")
    lab.expect(denied((FAR, SERVER, 80), (FAR, NEAR, 80)), "FAR is a client again")


@test
def relabel_of_a_namespace(lab):
    stage(lab, policy("t/p", {"role": "server"}, ingress=[
        rule("from", [namespaces_peer(trust="yes")], ["80/TCP"])]))
    lab.expect(denied((OTHER, SERVER, 80), (NEAR, SERVER, 80)))
    lab.patch("/api/v1/namespaces/u", {"metadata": {"labels": {"trust": "yes"}}})
    lab.expect(allowed((OTHER, SERVER, 80)) + denied((NEAR, SERVER, 80)))
    lab.patch("/api/v1/namespaces/u", {"metadata": {"labels": {"trust": None}}})
    lab.expect(denied((OTHER, SERVER, 80), (NEAR, SERVER, 80)))


@test
def expressions_of_selectors(lab):
    selector = {"matchExpressions": [
        {"key": "role", "operator": "In", "values": ["client", "guest"]},
        {"key": "blocked", "operator": "DoesNotExist"},
        {"key": "zone", "operator": "NotIn", "values": ["red"]}]}
    stage(lab, pod("t/red", "node-2", role="client", zone="red"),
          pod("t/blocked", "node-1", role="client", blocked="1"),
          pod("t/blue", "node-2", role="guest", zone="blue"),
          policy("t/p", {"role": "server"}, ingress=[
              rule("from", [{"podSelector": selector}], ["80/TCP"])]))
    lab.expect(allowed((NEAR, SERVER, 80), (FAR, SERVER, 80), ("t/blue", SERVER, 80))
               + denied(("t/red", SERVER, 80), ("t/blocked", SERVER, 80), (OTHER, SERVER, 80)))


@test
def policies_add_up(lab):
    stage(lab, policy("t/a", {"role": "server"}, ingress=[
        rule("from", [pods_peer(role="client")], ["80/TCP"])]),
        policy("t/b", {}, ingress=[rule("from", [namespaces_peer(team="u")], ["81/TCP"])]),
        policy("t/c", {"role": "server"}, ingress=[
            rule("from", [{"namespaceSelector": labelled(None)}], ["80/UDP"])]))
    lab.expect(allowed((NEAR, SERVER, 80), (FAR, SERVER, 80), (OTHER, SERVER, 81),
                       (OTHER, SERVER, "80/UDP"), (NEAR, SERVER, "80/UDP"), (OTHER, NEAR, 81))
               + denied((OTHER, SERVER, 80), (NEAR, SERVER, 81), (OTHER, NEAR, 80),
                        (OTHER, FAR, "80/UDP")))


@test
def new_pod_is_born_isolated(lab):
    """A pod that joins later is a subject and a peer at once."""
    stage(lab, policy("t/p", {"role": "server"}, ingress=[
        rule("from", [pods_peer(role="client")], ["80/TCP"])]))
    lab.apply(pod("t/server-2", "node-2", role="server"),
              pod("t/client-2", "node-1", role="client"))
    lab.expect(allowed(("t/client-2", SERVER, 80), ("t/client-2", "t/server-2", 80),
                       (NEAR, "t/server-2", 80), (FAR, "t/server-2", 80))
               + denied((OTHER, "t/server-2", 80), (SERVER, "t/server-2", 80)))
