"""The OVN peer with real packets, for W7 and W8: two chassis, Geneve between them, and pods
that are namespaces, in the places of those of benchlib.lab.

     underlay namespace: bridge br0, 172.30.0.0/24
           |                    |
         eth0                 eth0
     +--chassis 1-----+   +--chassis 2----+
     | br-phy .1      |   | br-phy .2     |
     | br-int         |   | br-int        |
     +-|-------|------+   +-|------|------+
      server  near         far    stranger

Tunnels carry no checksum of their own, as Virga's VXLAN."""
import time

from lablib.system import in_netns, run, wait_until

from . import lab as labs
from .netload import Connections, Server, Watch
from .ovn import Ovn, expect, start_chassis
from .switch import Daemons

VTEPS = ("172.30.0.1", "172.30.0.2")
PODS = {"server": 0, "near": 0, "far": 1, "stranger": 1}  # To the number of the chassis.
CLIENTS = ("near", "far")
MTU = 1442  # What 1,500 bytes leave beside Geneve with OVN's option.
N_PEERS = 100
PROBE_SECONDS = 0.5


class OvnPods:
    def __init__(self, ctx):
        self.ctx = ctx
        with ctx.step("ovn: two chassis"):
            self.ovn = Ovn(ctx, VTEPS[0])
            self.switches = [self.ovn.daemons, Daemons(ctx, "bench-ovn-2")]
            ctx.defer(self.switches[1].down)
            self.switches[1].switch()
            self._make_underlay()
            start_chassis(self.switches[1], "bench-2", self.ovn.sb_socket, VTEPS[1])
            wait_until(lambda: all("type=geneve" in self._tunnels(d) for d in self.switches), 20,
                       "OVN's tunnels")
            self.ovn.add_switch()
            self.ovn.add_pods([{"metadata": {"name": name}} for name in
                               (*PODS, *(f"peer-{i}" for i in range(N_PEERS)))])
            self.ips = {name: self.ovn.addresses[name] for name in PODS}
            for name in PODS:
                self._attach(name)
            self.ovn.sync()

    def close(self):
        self.switches[1].down()
        self.ovn.close()

    # --- topology ----------------------------------------------------------------------

    def _tunnels(self, daemons):
        return " ".join(f"type={t}" for t in daemons.vsctl(
            "--bare", "--columns=type", "list", "interface").split())

    def _make_underlay(self):
        inst = self.switches[0].inst
        underlay = inst.netns("underlay")
        inst.record_netns(underlay)
        run(["ip", "netns", "add", underlay])
        run(["ip", "-n", underlay, "-batch", "-"], stdin="link add br0 type bridge\n"
                                                         "link set br0 up\n")
        for i, (daemons, vtep) in enumerate(zip(self.switches, VTEPS)):
            run(["ip", "-n", underlay, "-batch", "-"],
                stdin=f"link add chassis{i} type veth peer name eth0 netns {daemons.netns}\n"
                      f"link set chassis{i} master br0 up\n")
            run(["ip", "-n", daemons.netns, "link", "set", "eth0", "up"])
            run(in_netns(daemons.netns, ["sysctl", "-qw", "net.ipv4.conf.eth0.arp_ignore=8"]))
            daemons.vsctl("add-br", "br-phy", "--", "set", "bridge", "br-phy",
                          "datapath_type=netdev", "fail_mode=standalone",
                          "--", "add-port", "br-phy", "eth0")
            run(["ip", "-n", daemons.netns, "-batch", "-"],
                stdin=f"addr add {vtep}/24 dev br-phy\nlink set br-phy up\n")

    def netns(self, name):
        return self.switches[0].inst.netns(f"pod-{name}")

    def _attach(self, name):
        daemons, netns, port = self.switches[PODS[name]], self.netns(name), f"pod-{name}"
        daemons.inst.record_netns(netns)
        run(["ip", "netns", "add", netns])
        run(["ip", "-n", daemons.netns, "link", "add", port, "mtu", str(MTU), "type", "veth",
             "peer", "name", "eth0", "mtu", str(MTU), "netns", netns])
        run(["ip", "-n", daemons.netns, "link", "set", port, "up"])
        run(["ip", "-n", netns, "-batch", "-"],
            stdin=f"link set lo up\nlink set eth0 address {self.ovn.mac(name)} up\n"
                  f"addr add {self.ips[name]}/16 dev eth0\n")
        run(in_netns(netns, ["ethtool", "-K", "eth0", "tx", "off"]))
        daemons.vsctl("add-port", "br-int", port, "--", "set", "interface", port,
                      f"external_ids:iface-id={name}")

    def vswitchd_pids(self):
        return {f"vswitchd-{i}": d.pid("vswitchd") for i, d in enumerate(self.switches)}

    def flush_conntrack(self):
        for daemons in self.switches:
            daemons.appctl("dpctl/flush-conntrack")

    # --- rules -------------------------------------------------------------------------

    def set_rules(self, n):
        """The same as labs.set_rules(): default deny, clients on PORT..., 'n' more rules, each
        an ACL; a policy is a port group of the server and its ACLs."""
        self.ovn.delete_policies()
        if n:
            self.ovn.nb.transact(self._policies(n))
        self.ovn.sync()
        expect(self.ovn.n_flows() >= n, f"ovn: fewer flows than the {n:,} rules")

    def _policies(self, n):
        ovn, last = self.ovn, labs.PORT + labs.N_PORTS - 1
        operations = [ovn.address_set("clients", [ovn.addresses[name] for name in CLIENTS])]
        operations += [ovn.address_set(f"peer_{i}", [ovn.addresses[f"peer-{i}"]])
                       for i in range(N_PEERS)]
        operations += self._policy("deny", [(1000, "drop", ""), (1001, "allow", "arp")])
        operations += self._policy("clients", [
            (1001, "allow-related", f"ip4.src == $clients && {protocol} && "
             f"{protocol}.dst >= {labs.PORT} && {protocol}.dst <= {last}")
            for protocol in ("tcp", "udp")])
        for first in range(0, n, labs.RULES_PER_POLICY):
            operations += self._policy(f"rules_{first}", [
                (1001, "allow-related", f"ip4.src == $peer_{i % N_PEERS} && tcp && "
                 f"tcp.dst == {10000 + i % 50000}")
                for i in range(first, min(first + labs.RULES_PER_POLICY, n))])
        return operations

    def _policy(self, name, acls):
        """Operations: a port group of the server with ACLs (priority, action, match)."""
        names = [f"{name}_{i}" for i in range(len(acls))]
        return [*(self.ovn.acl(acl, priority, action,
                               f"outport == @pg_{name}" + (match and f" && {match}"))
                  for acl, (priority, action, match) in zip(names, acls)),
                self.ovn.port_group(f"pg_{name}", ["server"], names)]

    # --- probes ------------------------------------------------------------------------

    def check_open(self):
        """Without rules the stranger gets through: what denies it later are the rules."""
        server = Server(self.ctx.root, self.netns("server"), labs.PORT)
        try:
            rate, _ = Connections(self.ctx.root, self.netns("stranger"), self.ips["server"],
                                  labs.PORT, 1, 1, PROBE_SECONDS).result()
            expect(rate, "ovn: the stranger is denied without any rule")
        finally:
            server.stop()

    def check_denied(self):
        """The stranger gets through to no port of the server's."""
        server = Server(self.ctx.root, self.netns("server"), labs.PORT)
        try:
            watch = Watch(self.ctx.root, self.netns("stranger"),
                          [("stranger", "mute", self.ips["server"], labs.PORT)])
            time.sleep(PROBE_SECONDS)
            figures = watch.stop()["stranger"]
            expect(figures["sent"] and not figures["bad"], f"ovn: the stranger is let in: {figures}")
        finally:
            server.stop()
