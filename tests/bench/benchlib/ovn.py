"""The OVN peer: northd, both databases and one chassis, on a switch of its own (a second
one: benchlib.ovn_pods).

Policies are what OVN-Kubernetes makes of them: for each a port group of the selected
pods, an address set of the peers and an ACL "allow-related" at priority 1001; one port
group of all isolated pods has the default deny at 1000, and ARP at 1001.  A namespace
is a logical switch.  Pods of other nodes are logical ports without a chassis, which
spares ovn-controller their tunnels."""
import re
import time

from benchlib import packages, processes
from benchlib.context import BenchError
from benchlib.ovsdb import Ovsdb
from benchlib.switch import Daemons
from lablib.system import wait_until

SCHEMAS = "/usr/share/ovn"
CHUNK = 2000  # Rows in one transaction while setting up.
IN_SYNC_SECONDS = 1800


def _set(values):
    return ["set", list(values)]


def _named(name):
    return ["named-uuid", name]


def start_chassis(daemons, name, sb_socket, encap_ip):
    """ovn-controller beside a switch that runs."""
    daemons.vsctl("set", "open", ".", f"external_ids:system-id={name}",
                  f"external_ids:ovn-remote=unix:{sb_socket}",
                  "external_ids:ovn-encap-type=geneve", "external_ids:ovn-encap-csum=false",
                  f"external_ids:ovn-encap-ip={encap_ip}",
                  "external_ids:ovn-bridge-datapath-type=netdev")
    daemons.start("ovn-controller", ["ovn-controller", f"unix:{daemons.rundir}/conf.sock"])
    wait_until(lambda: "br-int" in daemons.vsctl("list-br"), 20, "OVN's bridge")


class Ovn:
    def __init__(self, ctx, encap_ip="127.0.0.1"):
        packages.ensure(ctx, "ovn-central", "ovn-host")
        self.ctx = ctx
        self.daemons = d = Daemons(ctx, "bench-ovn")
        ctx.defer(self.close)
        d.switch()
        self.nb_socket = d.database("ovnnb_db", f"{SCHEMAS}/ovn-nb.ovsschema")
        self.sb_socket = d.database("ovnsb_db", f"{SCHEMAS}/ovn-sb.ovsschema")
        d.start("ovn-northd", ["ovn-northd", f"--ovnnb-db=unix:{self.nb_socket}",
                               f"--ovnsb-db=unix:{self.sb_socket}"])
        start_chassis(d, "bench", self.sb_socket, encap_ip)
        self.nb = Ovsdb(self.nb_socket, "OVN_Northbound")
        self.sync()
        self.ports = {}  # Pod's name to the UUID of its logical port.
        self.addresses = {}
        self.open = True

    def close(self):
        self.daemons.down()

    # --- realised ------------------------------------------------------------------

    def sync(self):
        """ovn-nbctl --wait=hv sync: seconds."""
        from lablib.system import run
        began = time.monotonic()
        run(["ovn-nbctl", f"--db=unix:{self.nb_socket}", "--wait=hv", "sync"],
            env=self.daemons.env, timeout=IN_SYNC_SECONDS)
        return time.monotonic() - began

    # --- pods ------------------------------------------------------------------------

    def _address(self, i):
        return f"0a:58:0a:c8:{(i + 10) >> 8:02x}:{(i + 10) & 255:02x}", \
            f"10.200.{(i + 10) >> 8}.{(i + 10) & 255}"

    def next_address(self):
        """That of the pod that is added next."""
        return self._address(len(self.addresses))[1]

    def load(self, objects):
        """One switch with a port for every pod; those of the first node are real."""
        with self.ctx.step(f"ovn: {len(objects.pods):,} pods"):
            self.add_switch()
            for first in range(0, len(objects.pods), CHUNK):
                self.add_pods(objects.pods[first:first + CHUNK])
            self._bind([p for p in objects.pods if p["spec"]["nodeName"] == objects.nodes[0]])
            self.sync()

    def add_switch(self):
        self.nb.transact([{"op": "insert", "table": "Logical_Switch", "row": {"name": "apps"}}])

    def add_pods(self, pods, more=()):
        names = [p["metadata"]["name"] for p in pods]
        operations, refs = [], []
        for name in names:
            mac, ip = self._address(len(self.addresses))
            self.addresses[name] = ip
            row_name = f"p{len(refs)}"
            refs.append(_named(row_name))
            operations.append({"op": "insert", "table": "Logical_Switch_Port",
                               "uuid-name": row_name,
                               "row": {"name": name, "addresses": f"{mac} {ip}",
                                       "port_security": f"{mac} {ip}"}})
        operations.append({"op": "mutate", "table": "Logical_Switch",
                           "where": [["name", "==", "apps"]],
                           "mutations": [["ports", "insert", _set(refs)]]})
        results = self.nb.transact([*operations, *more])
        for name, result in zip(names, results):
            self.ports[name] = result["uuid"]

    def delete_pod(self, name, more=()):
        self.nb.transact([{"op": "mutate", "table": "Logical_Switch",
                           "where": [["name", "==", "apps"]],
                           "mutations": [["ports", "delete", _set([self.ports.pop(name)])]]},
                          *more])

    def _bind(self, pods):
        """Internal ports of the bridge, which stay in the namespace of the switch."""
        words = []
        for i, p in enumerate(pods):
            name = f"pod{i}"
            words += ["--", "add-port", "br-int", name, "--", "set", "interface", name,
                      "type=internal", f"external_ids:iface-id={p['metadata']['name']}"]
        self.daemons.vsctl(*words[1:])

    # --- policies ----------------------------------------------------------------------

    def policy_rows(self, policies, pods_by_app):
        """Operations that make all 'policies', of generate.apps()."""
        isolated, operations = set(), []
        for p in policies:
            name = "p" + p["metadata"]["name"].rpartition("-")[2]
            subjects = pods_by_app[p["spec"]["podSelector"]["matchLabels"]["app"]]
            rule = p["spec"]["ingress"][0]
            apps = rule["from"][0]["podSelector"]["matchExpressions"][0]["values"]
            peers = [self.addresses[n] for app in apps for n in pods_by_app.get(app, ())]
            ports = ", ".join(str(x["port"]) for x in rule["ports"])
            isolated.update(subjects)
            operations += [
                self.address_set(f"as_{name}", peers),
                self.acl(f"a{name}", 1001, "allow-related",
                         f"outport == @pg_{name} && ip4.src == $as_{name} && "
                         f"tcp && tcp.dst == {{{ports}}}"),
                self.port_group(f"pg_{name}", subjects, [f"a{name}"])]
        acls = [self.acl("deny", 1000, "drop", "outport == @pg_deny"),
                self.acl("arp", 1001, "allow", "outport == @pg_deny && arp")]
        return [*operations, *acls, self.port_group("pg_deny", isolated, ["deny", "arp"])]

    def address_set(self, name, addresses):
        return {"op": "insert", "table": "Address_Set",
                "row": {"name": name, "addresses": _set(addresses)}}

    def acl(self, uuid_name, priority, action, match):
        return {"op": "insert", "table": "ACL", "uuid-name": uuid_name,
                "row": {"priority": priority, "direction": "to-lport", "action": action,
                        "match": match}}

    def port_group(self, name, pods, acls):
        return {"op": "insert", "table": "Port_Group",
                "row": {"name": name, "ports": _set(self.ports[n] for n in pods),
                        "acls": _set(map(_named, acls))}}

    def delete_policies(self):
        self.nb.transact([{"op": "delete", "table": t, "where": []}
                          for t in ("Port_Group", "Address_Set")])
        self.sync()

    def address_changes(self, policies, address, verb):
        """Operations: 'address' joins ("insert") or leaves ("delete") the sets of policies."""
        return [{"op": "mutate", "table": "Address_Set",
                 "where": [["name", "==", f"as_p{p['metadata']['name'].rpartition('-')[2]}"]],
                 "mutations": [["addresses", verb, _set([address])]]} for p in policies]

    # --- what it takes -------------------------------------------------------------------

    def pids(self):
        return {"controller": self.daemons.pid("ovn-controller"),
                "northd": self.daemons.pid("ovn-northd"), "sb": self.daemons.pid("ovnsb_db"),
                "nb": self.daemons.pid("ovnnb_db"), "vswitchd": self.daemons.pid("vswitchd")}

    def memory(self):
        figures = processes.memory(self.pids())
        figures["db_rss_mb"] = round(figures["sb_rss_mb"] + figures["nb_rss_mb"], 1)
        return figures

    def n_flows(self):
        return int(re.search(r"flow_count=(\d+)",
                             self.daemons.ofctl("dump-aggregate", "br-int"))[1])

    # --- probes ----------------------------------------------------------------------------

    def reaches(self, source, target, port):
        """Whether a first packet between two local pods arrives, by ofproto/trace."""
        ofport = self.daemons.vsctl("--bare", "--columns=ofport", "find", "interface",
                                    f"external_ids:iface-id={source}").strip()
        macs = {name: self.mac(name) for name in (source, target)}
        flow = (f"in_port={ofport},tcp,dl_src={macs[source]},dl_dst={macs[target]},"
                f"nw_src={self.addresses[source]},nw_dst={self.addresses[target]},"
                f"nw_ttl=64,tcp_src=40000,tcp_dst={port},tcp_flags=syn")
        text = self.daemons.appctl("ofproto/trace", "br-int", flow,
                                   *["--ct-next", "trk,new"] * 3)
        last = re.findall(r"^Datapath actions: (.*)$", text, re.M)[-1]
        return bool(re.search(r"(^|,)\d+$", last))

    def mac(self, name):
        octets = self.addresses[name].split(".")
        return f"0a:58:0a:c8:{int(octets[2]):02x}:{int(octets[3]):02x}"


def expect(condition, what):
    if not condition:
        raise BenchError(f"a wrong answer: {what}")
