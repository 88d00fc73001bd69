"""IPv6 and dual stack: forwarding, policy, neighbour discovery, and packets that lie."""
import json
import subprocess
import threading

from e2elib.harness import Lab, allowed, cluster, denied
from e2elib.objects import block_peer, namespace, pod, pods_peer, policy, rule
from e2elib.runner import check, equal, test
from e2elib.wire import Connection, Ear, send_frames
from lablib.parts import node_ip6, vtep

from datapath_tests import drops, ethernet
from revocation_tests import expect_cut, unharmed

# C is beside A; D has IPv6 only, E IPv4 only.
A, B, C, D, E = "d/a", "d/b", "d/c", "six/d", "t/e"
PORTS = ["80/TCP", "80/UDP", "80/SCTP"]
WORLD, WORLD_B = cluster.WORLD_IP6S


def stage(lab, *more):
    lab.apply(namespace("d", {"virga.dev/subnets": "10.201.0.0/24,fd00:201::/64"}),
              namespace("six", {"virga.dev/subnets": "fd00:202::/64"}), namespace("t"),
              pod(A, "node-1", PORTS, app="a"), pod(B, "node-2", PORTS, app="b"),
              pod(C, "node-1", PORTS, app="c"), pod(D, "node-2", PORTS, app="d"),
              pod(E, "node-1", PORTS, app="e"), *more)


def expect6(lab, table, what=""):
    lab.expect(table, what, family=6)


@test
def ip6_reaches_everybody(lab):
    stage(lab)
    table = [(A, B, 80), (A, C, 80), (B, A, 80), (A, D, 80), (D, A, 80), (D, C, "80/UDP"),
             (A, B, "80/UDP"), (C, A, "80/UDP"), (A, B, "80/SCTP"), (A, C, "80/SCTP"),
             ("node-1", A, 80), ("node-1", B, 80), ("node-2", A, "80/UDP"), (A, "world", 443),
             (D, "world", "53/UDP"), ("world", A, 80), ("world", D, "80/UDP"), (A, A, 80)]
    expect6(lab, allowed(*table))
    lab.expect(allowed((A, B, 80), (A, E, 80), (E, A, 80), ("world", A, 80)), family=4)
    lab.expect(denied((E, D, 80)), "families never meet")


@test
def ip6_addresses_are_kept_inside_and_the_nodes_outside(lab):
    stage(lab)
    with Ear(lab.netns(B), "eth0") as ear:
        expect6(lab, allowed((A, B, 80)))
    heard = [f for f in ear.heard(dport=80, protocol=6) if ":" in f.src]
    equal({f.src for f in heard}, {lab.ip(A, 6)}, "source seen by the pod")
    equal({f.data[21] for f in heard}, {63}, "hop limit seen by the pod")
    with Ear(lab.inst.netns("world"), "eth0") as ear:
        expect6(lab, allowed((A, "world", 4431), (D, "world", 4432)))
    for port, node in ((4431, "node-1"), (4432, "node-2")):
        equal({f.src for f in ear.heard(dport=port, protocol=6)}, {node_ip6(node)},
              f"source address seen by the world from {node}")


@test
def ip6_large_transfer(lab):
    """Whole segments through the tunnel: MTU and checksums are right."""
    stage(lab)
    for server in (B, C):
        connection = Connection(lab.netns(A), lab.ip(server, 6), 80)
        sent = b"".join(b"%07d\n" % i for i in range(1 << 16))
        received = bytearray()

        def read(sock=connection.sock, into=received, size=len(sent)):
            while len(into) < size:
                part = sock.recv(1 << 16)
                if not part:
                    return
                into += part
        reader = threading.Thread(target=read)
        reader.start()
        connection.sock.settimeout(20)
        connection.sock.sendall(sent)
        reader.join(20)
        connection.close()
        check(bytes(received) == sent, f"{server} sent back {len(received)} of {len(sent)} bytes")


@test
def ip6_policy_by_pods_and_ports(lab):
    """One rule holds in both families; isolation as well."""
    stage(lab, policy("d/p", {"app": "a"}, ingress=[
        rule("from", [pods_peer(app="b")], ["80/TCP", "79-81/SCTP"])]))
    for family in (4, 6):
        lab.expect(allowed((B, A, 80), (B, A, "80/SCTP"), (A, B, 80))
                   + denied((C, A, 80), (B, A, "80/UDP"), ("node-2", A, 80), ("world", A, 80))
                   + allowed(("node-1", A, 80), ("node-1", A, "80/UDP")), f"IPv{family}", family)
    expect6(lab, denied((D, A, 80)))


@test
def ip6_egress(lab):
    stage(lab, policy("d/p", {"app": "a"}, egress=[
        rule("to", [pods_peer(app="b")], ["80/TCP"]),
        rule("to", [block_peer("2001:db8:113::/48")])]))
    expect6(lab, allowed((A, B, 80), (A, "world", 443))
            + denied((A, C, 80), (A, B, "80/UDP"), (A, D, 80), (A, "node-1", 22)))
    lab.expect(allowed((A, B, 80)) + denied((A, "world", 443)), family=4)


@test
def ip6_block_with_except(lab):
    stage(lab, policy("d/p", {"app": "a"}, ingress=[
        rule("from", [block_peer("2001:db8::/32", "2001:db8:100::/48"),
                      block_peer("fd00:202::/64")], ["80/TCP"])]))
    world = lab.inst.netns("world")
    expect6(lab, allowed(("world", A, 80), (D, A, 80))
            + denied((B, A, 80), ("world", A, "80/UDP")))
    lab.expect_from(world, WORLD, lab.ip(A, 6), 80, "allowed")
    lab.expect_from(world, WORLD_B, lab.ip(A, 6), 80, "denied")
    lab.expect(denied(("world", A, 80), (B, A, 80)), "a block of IPv6 is none of IPv4", 4)


@test
def ip6_any_block_is_of_one_family(lab):
    stage(lab, policy("d/p", {"app": "a"}, ingress=[rule("from", [block_peer("0.0.0.0/0")])]),
          policy("d/q", {"app": "b"}, ingress=[rule("from", [block_peer("::/0")])]))
    expect6(lab, denied((C, A, 80), ("world", A, 80)) + allowed((C, B, 80), ("world", B, 80)))
    lab.expect(allowed((C, A, 80), ("world", A, 80)) + denied((C, B, 80), ("world", B, 80)),
               family=4)


@test
def ip6_echo_needs_a_rule_without_ports(lab):
    stage(lab, policy("d/p", {"app": "a"}, ingress=[rule("from", [pods_peer(app="b")]),
                                                    rule("from", None, ["80/TCP"])]))

    def ping(source, to):
        return lab.run("exec", source, "--", "ping", "-6", "-c", "1", "-W", "1", lab.ip(to, 6),
                       check_status=False).returncode == 0
    check(ping(B, A), "no echo though a rule without ports allows it")
    check(not ping(C, A), "an echo that only a rule with ports would allow")
    check(ping(A, C), "no answer to its own echo")


@test
def ip6_errors_of_allowed_connections_pass(lab):
    """Port unreachable comes back from a pod that may not send, to one that nobody may
    speak to."""
    stage(lab, policy("d/p", {"app": "a"}, ingress=[]),
          policy("d/q", {"app": "b"}, ingress=[rule("from", None, ["99/UDP"])], egress=[]))
    expect6(lab, [(A, B, "99/UDP", "rejected")] + denied((A, B, "98/UDP"), (B, A, "80/UDP")))


@test
def ip6_connection_is_cut(lab):
    stage(lab, policy("d/p", {"app": "a"}, ingress=[
        rule("from", [pods_peer(app="b"), pods_peer(app="c")], ["80/TCP"])]))
    far, near = (Connection(lab.netns(p), lab.ip(A, 6), 80) for p in (B, C))
    stays = Connection(lab.netns(B), lab.ip(A, 4), 80)
    check(far.echo("hello") and near.echo("hello") and stays.echo("hello"), "no connection")
    with unharmed([("far", far), ("far, IPv4", stays)]):
        lab.patch("/apis/networking.k8s.io/v1/namespaces/d/networkpolicies/p", {"spec": {
            "ingress": [rule("from", [pods_peer(app="b")], ["80/TCP"])]}})
        expect_cut(lab, [("near", near)], "no longer allowed")
    with unharmed([("far, IPv4", stays)]):
        lab.patch("/apis/networking.k8s.io/v1/namespaces/d/networkpolicies/p", {"spec": {
            "ingress": [rule("from", [block_peer("10.201.0.0/24")])]}})
        expect_cut(lab, [("far", far)], "allowed in the other family only")
    for connection in (far, near, stays):
        connection.close()


def true_frame(lab, own_mac, router):
    from scapy.all import Ether, IPv6
    return Ether(src=own_mac, dst=router) / IPv6(src=lab.ip(A, 6), dst=lab.ip(B, 6))


def lies_of(lab, own_mac, router):
    """Frames that A must not get away with."""
    from scapy.all import (Ether, ICMPv6MLQuery, ICMPv6ND_NA, ICMPv6ND_NS, ICMPv6ND_RA,
                           ICMPv6ND_Redirect, ICMPv6NDOptDstLLAddr, ICMPv6NDOptSrcLLAddr, IPv6,
                           UDP)
    own, victim, target = lab.ip(A, 6), lab.ip(C, 6), lab.ip(B, 6)
    other = "02:56:de:ad:be:ef"
    ether, all_nodes = Ether(src=own_mac, dst=router), Ether(src=own_mac, dst="33:33:00:00:00:01")
    udp = UDP(sport=5560, dport=80) / b"lie"
    return {
        "somebody else's address": ether / IPv6(src=victim, dst=target) / udp,
        "an address of the world": ether / IPv6(src="2001:db8::9", dst=target) / udp,
        "a link-local address": ether / IPv6(src="fe80::1", dst=target) / udp,
        "no address": ether / IPv6(src="::", dst=target) / udp,
        "another MAC": Ether(src=other, dst=router) / IPv6(src=own, dst=target) / udp,
        "a solicitation for another": ether / IPv6(src=victim, dst=target, hlim=255)
        / ICMPv6ND_NS(tgt=target) / ICMPv6NDOptSrcLLAddr(lladdr=own_mac),
        "a solicitation with another MAC": ether / IPv6(src=own, dst=target, hlim=255)
        / ICMPv6ND_NS(tgt=target) / ICMPv6NDOptSrcLLAddr(lladdr=other),
        "a claim to another's address": ether / IPv6(src="::", dst="ff02::1:ff00:2", hlim=255)
        / ICMPv6ND_NS(tgt=victim),
        "another's advertisement": all_nodes / IPv6(src=own, dst="ff02::1", hlim=255)
        / ICMPv6ND_NA(tgt=victim, O=1) / ICMPv6NDOptDstLLAddr(lladdr=own_mac),
        "an advertisement with another MAC": ether / IPv6(src=own, dst=target, hlim=255)
        / ICMPv6ND_NA(tgt=own, O=1) / ICMPv6NDOptDstLLAddr(lladdr=other),
        "a router's advertisement": all_nodes / IPv6(src="fe80::1", dst="ff02::1", hlim=255)
        / ICMPv6ND_RA(),
        "a routed router's advertisement": ether / IPv6(src=own, dst=target, hlim=255)
        / ICMPv6ND_RA(),
        "a redirect": ether / IPv6(src=own, dst=target, hlim=255)
        / ICMPv6ND_Redirect(tgt=own, dst=victim),
        "a listener query": all_nodes / IPv6(src="fe80::1", dst="ff02::1", hlim=1)
        / ICMPv6MLQuery(),
    }


@test
def ip6_lies_are_dropped_and_counted(lab):
    stage(lab)
    own_mac, router = ethernet(lab, A)
    expect6(lab, allowed((A, B, "80/UDP")))
    for name, frame in lies_of(lab, own_mac, router).items():
        before = drops(lab, "spoofed")
        with Ear(lab.netns(B), "eth0") as far, Ear(lab.netns(C), "eth0") as near:
            send_frames(lab.netns(A), [bytes(frame)] * 3)
            # A true datagram behind them: when it is there, the lies would be.
            expect6(lab, allowed((A, B, "80/UDP"), (A, C, "80/UDP")))
        arrived = [f for f in [*far.frames, *near.frames]
                   if not f.outgoing and (f.sport == 5560 or f.protocol == 58
                                          and f.data[54] in (130, 134, 135, 137)
                                          or f.protocol == 58 and f.data[54] == 136
                                          and f.src_mac != router)]
        equal(len(arrived), 0, f"packets that arrived with {name}")
        equal(drops(lab, "spoofed") - before, 3, f"spoofed packets counted with {name}")


@test
def ip6_neighbours_are_answered_for(lab):
    """Every address has the router's MAC; nothing is flooded, and the own address stays
    silent."""
    from scapy.all import (Ether, ICMPv6ND_NA, ICMPv6ND_NS, ICMPv6NDOptDstLLAddr,
                           ICMPv6NDOptSrcLLAddr, IPv6)
    stage(lab)
    own_mac, router = ethernet(lab, A)
    own = lab.ip(A, 6)
    for target, answered in ((lab.ip(B, 6), True), ("fd00:201::1", True), (own, False)):
        ask = (Ether(src=own_mac, dst="33:33:ff:00:00:01")
               / IPv6(src=own, dst="ff02::1:ff00:1", hlim=255)
               / ICMPv6ND_NS(tgt=target) / ICMPv6NDOptSrcLLAddr(lladdr=own_mac))
        with Ear(lab.netns(A), "eth0") as ear, Ear(lab.netns(B), "eth0") as far, \
                Ear(lab.netns(C), "eth0") as near:
            send_frames(lab.netns(A), [bytes(ask)])
            lab.expect(allowed((A, B, "80/UDP"), (A, C, "80/UDP")), family=4)
        answers = [Ether(f.data) for f in ear.heard(protocol=58, src=target)
                   if f.data[54] == 136 and not f.outgoing]
        equal(len(answers) > 0, answered, f"answers for {target}")
        for answer in answers:
            raw = bytes(answer)
            check(answer[ICMPv6ND_NA].tgt == target and answer[ICMPv6ND_NA].S == 1
                  and answer[ICMPv6NDOptDstLLAddr].lladdr == router and answer[IPv6].dst == own
                  and answer[IPv6].hlim == 255, f"odd answer {answer!r}")
            del answer[ICMPv6ND_NA].cksum
            equal(bytes(answer), raw, "checksum of the answer")
        equal([f for f in [*far.frames, *near.frames] if f.protocol == 58
               and f.data[54] == 135 and not f.outgoing], [], "solicitations that were flooded")


@test
def ip6_pods_address_does_not_come_in_from_the_world(lab):
    from scapy.all import UDP, Ether, IPv6
    stage(lab, policy("d/in", {"app": "a"}, ingress=[
        rule("from", [block_peer("fd00:201::/64")], [])]))
    with Ear(lab.inst.netns("world"), "eth0") as ear:
        expect6(lab, denied(("world", A, "80/UDP")))
    way = next(f for f in ear.frames if f.outgoing and f.dport == 80)
    ether = Ether(src=way.src_mac, dst=way.data[0:6].hex(":"))
    before = drops(lab, "spoofed")
    with Ear(lab.netns(A), "eth0") as ear:
        send_frames(lab.inst.netns("world"),
                    [bytes(ether / IPv6(src=lab.ip(p, 6), dst=lab.ip(A, 6))
                           / UDP(sport=7100, dport=80) / b"lie") for p in (B, C)])
        expect6(lab, allowed((B, A, "80/UDP")))
    equal(len(ear.heard(sport=7100)), 0, "lies that arrived")
    equal(drops(lab, "spoofed") - before, 2, "lies that were counted")


@test
def ip6_nodes_own_address_does_not_come_in_from_the_world(lab):
    """A node may always speak to its own pods; who only says so is the world."""
    from scapy.all import IP, UDP, Ether, IPv6
    stage(lab, policy("d/in", {"app": "a"}, ingress=[]))
    with Ear(lab.inst.netns("world"), "eth0") as ear:
        expect6(lab, denied(("world", A, "80/UDP")))
        lab.expect(denied(("world", A, "80/UDP")))
    ways = {family: next(f for f in ear.frames if f.outgoing and f.dport == 80
                         and (":" in f.dst) == (family == 6)) for family in (4, 6)}
    ethers = {family: Ether(src=f.src_mac, dst=f.data[0:6].hex(":"))
              for family, f in ways.items()}
    with Ear(lab.netns(A), "eth0") as ear:
        send_frames(lab.inst.netns("world"), [
            bytes(ethers[6] / IPv6(src=node_ip6("node-1"), dst=lab.ip(A, 6))
                  / UDP(sport=7101, dport=80) / b"lie"),
            bytes(ethers[4] / IP(src=vtep("node-1"), dst=lab.ip(A, 4))
                  / UDP(sport=7102, dport=80) / b"lie")])
        expect6(lab, allowed(("node-1", A, "80/UDP")))
    equal([f.sport for f in ear.heard() if f.sport in (7101, 7102)], [], "lies that arrived")


@test
def ip6_pod_sends_no_tunnel_packets_to_the_world(lab):
    stage(lab)
    expect6(lab, allowed((A, "world", "4790/UDP")) + denied((A, "world", "4789/UDP")))


@test
def ip6_cni_gives_both_families(lab):
    stage(lab)
    pods = lab.inst.pods()
    result = pods["d", "a"]["result"]
    four, six = lab.ip(A, 4), lab.ip(A, 6)
    equal([(i["address"], i["gateway"]) for i in result["ips"]],
          [(f"{four}/24", "10.201.0.1"), (f"{six}/64", "fd00:201::1")], "ips of the result")
    equal([(r["dst"], r["gw"]) for r in result["routes"]],
          [("0.0.0.0/0", "10.201.0.1"), ("::/0", "fd00:201::1")], "routes of the result")
    equal(lab.get_pod(A)["status"]["podIPs"], [{"ip": four}, {"ip": six}], "status.podIPs")
    equal(lab.get_pod(D)["status"]["podIPs"], [{"ip": lab.ip(D, 6)}], "status.podIPs of IPv6")
    show = subprocess.run(["ip", "-n", lab.netns(A), "-j", "-6", "addr", "show", "dev", "eth0",
                           "scope", "global"], capture_output=True, text=True, check=True).stdout
    address = [a for link in json.loads(show) for a in link.get("addr_info", []) if "local" in a]
    equal([a["local"] for a in address], [six], "addresses of eth0")
    check(not any(a.get("tentative") or a.get("dadfailed") for a in address),
          "the address waits for duplicate detection")


@test
def ip6_agent_restart_changes_nothing(lab):
    """What the switch tells of the flows for IPv6 is what the agent wants."""
    stage(lab, policy("d/p", {"app": "a"}, ingress=[rule("from", [block_peer("::/0")],
                                                         ["80/TCP"])]))
    connection = Connection(lab.netns(B), lab.ip(A, 6), 80)

    def flows():
        lines = lab.node("node-1", "ovs-ofctl", "dump-flows", "br-int").splitlines()
        return sorted((line.partition(" actions=")[0].rpartition(" ")[2],
                       float(line.partition("duration=")[2].partition("s,")[0]))
                      for line in lines if "ipv6" in line or "icmp6" in line or "tcp6" in line)
    before = flows()
    lab.run("kill", "agent", "node-1")
    lab.run("start", "agent", "node-1")
    after = flows()
    equal([m for m, _ in after], [m for m, _ in before], "flows for IPv6")
    younger = [m for (m, old), (_, new) in zip(before, after) if new < old]
    equal(younger, [], "flows that the agent made again")
    check(connection.echo("still here"), "the connection is gone")
    connection.close()


@test
def ip6_dual_stack_cluster(lab):
    """A lab of its own: every pod gets both without asking."""
    other = Lab(lab.root, f"{lab.name}-2", nodes=1, options=["--dual-stack"])
    other.start()
    try:
        other.apply(namespace("x"), pod("x/a", "node-1"), pod("x/b", "node-1"))
        ips = other.get_pod("x/a")["status"]["podIPs"]
        equal([":" in i["ip"] for i in ips], [False, True], "families of status.podIPs")
        for family in (4, 6):
            other.expect(allowed(("x/b", "x/a", 80), ("world", "x/a", 80), ("x/a", "world", 1)),
                         f"IPv{family}", family)
    finally:
        other.stop()
