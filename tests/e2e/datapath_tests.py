"""Forwarding: nodes, the world, moves, and packets that lie."""
import socket
import threading

from e2elib.harness import allowed, cluster, denied
from e2elib.objects import namespace, pod, policy, rule
from e2elib.runner import check, equal, test
from e2elib.wire import Connection, Ear, open_socket, send_frames
from lablib.parts import vtep

A, B, C = "t/a", "t/b", "t/c"
WORLD = cluster.WORLD_IPS[0]


def stage(lab, *more):
    lab.apply(namespace("t"), namespace("u"), pod(A, "node-1", ["80/TCP", "80/UDP"], app="a"),
              pod(B, "node-2", ["80/TCP", "80/UDP"], app="b"),
              pod(C, "node-1", ["80/TCP", "80/UDP"], app="c"), *more)


def drops(lab, name):
    """Packets that a node-wide drop counter has seen, over all nodes."""
    stats = lab.api.get("/virga/v1/stats?fresh=true")
    return sum(d["packets"] for d in stats["drops"] if d["name"] == name)


def ethernet(lab, name):
    """(own MAC, router's MAC) of a pod, as its kernel knows them."""
    own = lab.run("exec", name, "--", "cat", "/sys/class/net/eth0/address").stdout.strip()
    return own, "02:56:00:00:00:01"


@test
def node_reaches_its_own_pod_always(lab):
    stage(lab, policy("t/shut", {}, ingress=[], egress=[]))
    lab.expect(allowed(("node-1", A, 80), ("node-1", A, "80/UDP"), ("node-1", C, 80),
                       ("node-2", B, 80))
               + denied(("node-1", B, 80), ("node-2", A, 80), (A, B, 80), (A, C, 80), (B, A, 80)))


@test
def node_reaches_remote_pod_when_nothing_forbids(lab):
    stage(lab)
    lab.expect(allowed(("node-1", B, 80), ("node-2", A, 80), ("node-2", A, "80/UDP")))


@test
def world_and_pods(lab):
    stage(lab)
    lab.expect(allowed((A, "world", 443), (B, "world", "53/UDP"), ("world", A, 80),
                       ("world", B, "80/UDP")))


@test
def pod_to_world_has_the_nodes_address(lab):
    stage(lab)
    with Ear(lab.inst.netns("world"), "eth0") as ear:
        lab.expect(allowed((A, "world", 4431), (B, "world", 4432)))
    for port, node in ((4431, "node-1"), (4432, "node-2")):
        sources = {f.src for f in ear.heard(dport=port, protocol=6)}
        equal(sources, {vtep(node)}, f"source address seen by the world from {node}")


@test
def pod_to_pod_keeps_its_address(lab):
    stage(lab)
    with Ear(lab.netns(B), "eth0") as ear:
        lab.expect(allowed((A, B, 80)))
    equal({f.src for f in ear.heard(dport=80, protocol=6)}, {lab.ip(A)}, "source seen by the pod")


@test
def ttl_goes_down_by_one(lab):
    stage(lab)
    for client, server in ((A, B), (A, C)):
        with Ear(lab.netns(server), "eth0") as ear:
            lab.expect(allowed((client, server, 80)))
        ttls = {f.data[22] for f in ear.heard(dport=80, protocol=6)}
        equal(ttls, {63}, f"TTL at {server}")


@test
def large_transfer_in_both_directions(lab):
    """Whole segments through the tunnel: MTU and checksums are right."""
    stage(lab)
    for client, server in ((A, B), (A, C)):
        connection = Connection(lab.netns(client), lab.ip(server), 80)
        sent = b"".join(b"%07d\n" % i for i in range(1 << 17))
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
def pod_keeps_its_address_when_it_moves(lab):
    stage(lab, policy("t/p", {"app": "a"}, ingress=[
        rule("from", [{"podSelector": {"matchLabels": {"app": "b"}}}], ["80/TCP"])]))
    before = lab.ip(A)
    lab.expect(allowed((B, A, 80)) + denied((C, A, 80)))
    lab.patch("/api/v1/namespaces/t/pods/a", {"spec": {"nodeName": "node-2"}})
    equal(lab.ip(A), before, "address after the move")
    equal(lab.inst.pods()["t", "a"]["node"], "node-2", "node after the move")
    lab.expect(allowed((B, A, 80), (A, B, 80), (A, C, 80), ("node-2", A, 80)) + denied((C, A, 80)))
    lab.patch("/api/v1/namespaces/t/pods/a", {"spec": {"nodeName": "node-1"}})
    equal(lab.ip(A), before, "address after the move back")
    lab.expect(allowed((B, A, 80), (A, C, 80)) + denied((C, A, 80)))


@test
def address_stays_over_other_pods_lives(lab):
    stage(lab)
    before = {name: lab.ip(name) for name in (A, C)}
    lab.delete("pod", B)
    lab.apply(pod("t/d", "node-2"))
    equal({name: lab.ip(name) for name in (A, C)}, before, "addresses of the others")
    check(lab.ip("t/d") not in before.values(), "an address in use was given out again")


@test
def static_address(lab):
    lab.apply(namespace("s", {"virga.dev/subnets": "10.200.7.0/24"}),
              pod("s/fixed", "node-1", annotations={"virga.dev/ip": "10.200.7.77"}),
              pod("s/any", "node-2"))
    equal(lab.ip("s/fixed"), "10.200.7.77", "static address")
    check(lab.ip("s/any").startswith("10.200.7."), f"{lab.ip('s/any')} is not of the subnet")
    lab.expect(allowed(("s/any", "s/fixed", 80), ("s/fixed", "s/any", 80)))


@test
def spoofed_packets_are_dropped_and_counted(lab):
    from scapy.all import ARP, IP, UDP, Ether
    stage(lab)
    own_mac, router = ethernet(lab, A)
    own, victim, target = lab.ip(A), lab.ip(C), lab.ip(B)
    lab.expect(allowed((A, B, "80/UDP")))
    lies = {
        "somebody else's address": Ether(src=own_mac, dst=router) / IP(src=victim, dst=target)
        / UDP(sport=5555, dport=80) / b"lie",
        "an address of the world": Ether(src=own_mac, dst=router)
        / IP(src="203.0.113.9", dst=target) / UDP(sport=5556, dport=80) / b"lie",
        "the node's address": Ether(src=own_mac, dst=router) / IP(src=vtep("node-1"), dst=target)
        / UDP(sport=5557, dport=80) / b"lie",
        "another MAC": Ether(src="02:56:de:ad:be:ef", dst=router) / IP(src=own, dst=target)
        / UDP(sport=5558, dport=80) / b"lie",
        "an identity for a MAC": Ether(src="0a:00:00:00:01:00", dst=router)
        / IP(src=own, dst=target) / UDP(sport=5559, dport=80) / b"lie",
        "ARP for another's address": Ether(src=own_mac, dst="ff:ff:ff:ff:ff:ff")
        / ARP(op=2, hwsrc=own_mac, psrc=victim, hwdst="ff:ff:ff:ff:ff:ff", pdst=victim),
        "ARP with another MAC": Ether(src=own_mac, dst="ff:ff:ff:ff:ff:ff")
        / ARP(op=1, hwsrc="02:56:de:ad:be:ef", psrc=own, pdst=target),
    }
    for name, frame in lies.items():
        before = drops(lab, "spoofed")
        with Ear(lab.netns(B), "eth0") as far, Ear(lab.netns(C), "eth0") as near:
            send_frames(lab.netns(A), [bytes(frame)] * 3)
            # A true datagram behind them: when it is there, the lies would be.
            lab.expect(allowed((A, B, "80/UDP"), (A, C, "80/UDP")))
        arrived = [f for f in [*far.frames, *near.frames] if not f.outgoing
                   and (f.sport in range(5555, 5560) or f.ethertype == 0x0806
                        and f.data[22:28] == bytes.fromhex(own_mac.replace(":", ""))
                        and f.data[28:32] == socket.inet_aton(victim))]
        equal(len(arrived), 0, f"packets that arrived with {name}")
        equal(drops(lab, "spoofed") - before, 3, f"spoofed packets counted with {name}")


@test
def a_pods_address_does_not_come_in_from_the_world(lab):
    """Not even where an ipBlock allows that address."""
    from scapy.all import IP, UDP, Ether
    stage(lab, policy("t/in", {"app": "a"}, ingress=[
        rule("from", [{"ipBlock": {"cidr": "10.0.0.0/8"}}], [])]))
    lab.expect(allowed((B, A, "80/UDP")))
    with Ear(lab.inst.netns("world"), "eth0") as ear:
        lab.expect(denied(("world", A, "80/UDP")))
    way = next(f for f in ear.frames if f.outgoing and f.dport == 80)
    ether = Ether(src=way.src_mac, dst=way.data[0:6].hex(":"))
    before = drops(lab, "spoofed")
    with Ear(lab.netns(A), "eth0") as ear:
        send_frames(lab.inst.netns("world"),
                    [bytes(ether / IP(src=lab.ip(pod_), dst=lab.ip(A))
                           / UDP(sport=7100, dport=80) / b"lie") for pod_ in (B, C)])
        lab.expect(allowed((B, A, "80/UDP")))
    equal(len(ear.heard(sport=7100)), 0, "lies that arrived")
    equal(drops(lab, "spoofed") - before, 2, "lies that were counted")


@test
def tagged_frames_are_dropped(lab):
    from scapy.all import IP, UDP, Dot1Q, Ether
    stage(lab)
    own_mac, router = ethernet(lab, A)
    frames = [bytes(Ether(src=own_mac, dst=router) / Dot1Q(vlan=vlan)
                    / IP(src=lab.ip(A), dst=lab.ip(to)) / UDP(sport=7200, dport=80) / b"tag")
              for vlan in (0, 5) for to in (B, C)]
    with Ear(lab.netns(B), "eth0") as far, Ear(lab.netns(C), "eth0") as near:
        send_frames(lab.netns(A), frames)
        lab.expect(allowed((A, B, "80/UDP"), (A, C, "80/UDP")))
    got = [f for f in [*far.frames, *near.frames]
           if not f.outgoing and b"tag" in f.data and f.data.endswith(b"tag")]
    equal(len(got), 0, "tagged frames that arrived")


@test
def an_sctp_association_opens_no_other_port(lab):
    """Conntrack of the userspace datapath does not tell SCTP's ports apart."""
    from scapy.all import IP, SCTP, Ether, SCTPChunkInit, SCTPChunkInitAck
    stage(lab, policy("t/in", {"app": "b"}, ingress=[rule("from", [], ["80/SCTP", "80/UDP"])]))
    macs = {name: ethernet(lab, name) for name in (A, B)}
    lab.expect(allowed((A, B, "80/UDP"), (B, A, "80/UDP")))

    def send(source, to, sport, dport, chunk):
        own, router = macs[source]
        with Ear(lab.netns(to), "eth0") as ear:
            send_frames(lab.netns(source), [bytes(
                Ether(src=own, dst=router) / IP(src=lab.ip(source), dst=lab.ip(to))
                / SCTP(sport=sport, dport=dport) / chunk)])
            lab.expect(allowed((A, B, "80/UDP"), (B, A, "80/UDP")))
        ports = sport.to_bytes(2, "big") + dport.to_bytes(2, "big")
        return sum(f.protocol == 132 and f.data[34:38] == ports for f in ear.frames)

    equal(send(A, B, 7300, 80, SCTPChunkInit()), 1, "INIT to the allowed port")
    equal(send(B, A, 80, 7300, SCTPChunkInitAck()), 1, "its answer")
    equal(send(A, B, 7300, 80, SCTPChunkInit()), 1, "a packet of the association")
    equal(send(A, B, 7300, 81, SCTPChunkInit()), 0, "INIT to another port")


@test
def a_pod_sends_no_tunnel_packets_to_the_world(lab):
    """They would leave with the node's address, which other nodes believe."""
    stage(lab)
    lab.expect(allowed((A, "world", "4790/UDP")) + denied((A, "world", "4789/UDP")))


@test
def unknown_ethertypes_and_broadcasts_go_nowhere(lab):
    from scapy.all import IP, UDP, Ether
    stage(lab)
    own_mac, _ = ethernet(lab, A)
    frames = [bytes(Ether(src=own_mac, dst="ff:ff:ff:ff:ff:ff", type=0x88b5) / (b"x" * 46)),
              bytes(Ether(src=own_mac, dst="ff:ff:ff:ff:ff:ff")
                    / IP(src=lab.ip(A), dst="255.255.255.255") / UDP(sport=7001, dport=7001))]
    with Ear(lab.netns(B), "eth0") as far, Ear(lab.netns(C), "eth0") as near:
        send_frames(lab.netns(A), frames)
        lab.expect(allowed((A, B, "80/UDP"), (A, C, "80/UDP")))
    got = [f for f in [*far.frames, *near.frames]
           if not f.outgoing and (f.ethertype == 0x88b5 or f.dport == 7001)]
    equal(len(got), 0, "frames that were flooded")


@test
def forged_tunnel_packets_from_a_stranger_are_dropped(lab):
    """A host on the underlay that is no node cannot speak for a pod."""
    from scapy.all import IP, UDP, VXLAN, Ether
    stage(lab)
    identity = {p["name"]: p["identity"] for p in lab.api.status()["pods"]}["a"]
    network = {n["name"]: n for n in lab.api.status()["networks"]}["t"]
    inner = (Ether(src=f"0a:00:{identity >> 24 & 255:02x}:{identity >> 16 & 255:02x}:"
                       f"{identity >> 8 & 255:02x}:{identity & 255:02x}",
                   dst=ethernet(lab, B)[0])
             / IP(src=lab.ip(A), dst=lab.ip(B)) / UDP(sport=6666, dport=80) / b"forged")
    packet = bytes(VXLAN(vni=network["vni"], flags="Instance") / inner)
    sender = open_socket(lab.inst.netns("world"), socket.SOCK_DGRAM)
    with Ear(lab.netns(B), "eth0") as ear:
        sender.sendto(packet, (vtep("node-2"), 4789))
        lab.expect(allowed((A, B, "80/UDP")))
    sender.close()
    equal(len(ear.heard(sport=6666)), 0, "forged packets that arrived")
