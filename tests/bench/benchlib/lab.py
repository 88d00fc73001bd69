"""The lab with real packets, for W7 to W9 and W11: two nodes, a server, clients."""
import tempfile
from concurrent.futures import ThreadPoolExecutor

from e2elib.harness import Lab
from e2elib.objects import namespace, pod, pods_peer, policy, rule
from e2elib.runner import keep_logs
from lablib.system import in_netns, read_pid, run, wait_until

from . import netload
from .context import BenchError

PORT, N_PORTS = 7000, 16  # What the server listens on.
CT_SUBNET = "10.9.0"
RULES_PER_POLICY = 100
CT_FLOWS = """
table=0,arp,actions=NORMAL
table=0,ip,ct_state=-trk,actions=ct(table=1,zone=9)
table=1,ip,ct_state=+trk+new,actions=ct(commit,zone=9),NORMAL
table=1,ip,ct_state=+trk+est,actions=NORMAL
"""


def start(ctx):
    """A lab with load/server and load/near on node-1, load/far and load/stranger on node-2."""
    lab = Lab(ctx.root, "bench")
    lab.files = tempfile.TemporaryDirectory(prefix="virga-bench-")
    lab.run("down")
    ctx.defer(lab.stop)
    with ctx.step("lab with two nodes"):
        lab.run("up")
        lab.refresh()
        lab.apply(pod("load/server", "node-1", ports=[], app="server"),
                  pod("load/near", "node-1", ports=[], app="client"),
                  pod("load/far", "node-2", ports=[], app="client"),
                  pod("load/stranger", "node-2", ports=[], app="stranger"))
    netload.program(ctx.root)
    return lab


def stop(lab):
    keep_logs(lab, "bench-logs")
    lab.run("down")


def vswitchd_pids(lab):
    processes = lab.inst.processes()
    return {n: read_pid(processes[f"vswitchd-{n}"]) for n in lab.inst.nodes()}


def warm_up(peers):
    """The first packets over a tunnel go while both ends ask for each other's MAC.  Before
    there are rules."""
    for pods in peers:
        ping = in_netns(pods.netns("far"), ["ping", "-c1", "-W1", pods.ips["server"]])
        wait_until(lambda ping=ping: run(ping, check=False).returncode == 0, 20,
                   "a packet from one node to the other")


def flush_conntrack(lab):
    for node in lab.inst.nodes():
        lab.node(node, "ovs-appctl", "dpctl/flush-conntrack")


# --- rules ---------------------------------------------------------------------


def make_peers(lab, n=100):
    """Pods that rules name as peers; no node of the lab runs them."""
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda i: lab.api.call("POST", "/api/v1/namespaces/load/pods", pod(
            f"load/peer-{i}", "elsewhere", ports=[], peer=f"p{i}")), range(n)))


def set_rules(lab, n):
    """The server's policies: one that lets clients in on PORT..., and 'n' more rules."""
    path = "/apis/networking.k8s.io/v1/namespaces/load/networkpolicies"
    for old in lab.api.get(path)["items"]:
        lab.api.call("DELETE", f"{path}/{old['metadata']['name']}")
    if n:
        policies = [policy("load/clients", {"app": "server"}, ingress=[
            rule("from", [pods_peer(app="client")],
                 [f"{PORT}-{PORT + N_PORTS - 1}/TCP", f"{PORT}-{PORT + N_PORTS - 1}/UDP"])])]
        for first in range(0, n, RULES_PER_POLICY):
            rules = [rule("from", [pods_peer(peer=f"p{i % 100}")], [f"{10000 + i % 50000}/TCP"])
                     for i in range(first, min(first + RULES_PER_POLICY, n))]
            policies.append(policy(f"load/rules-{first}", {"app": "server"}, ingress=rules))
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda p: lab.api.call("POST", path, p), policies))
    lab.api.sync(60)


def require(lab, table):
    """A fast wrong answer is a failure."""
    try:
        lab.expect(table)
    except AssertionError as e:
        raise BenchError(str(e)) from e


# --- a bridge that only tracks connections ----------------------------------------


class CtBridge:
    """In each node's OVS a bridge with one ct(commit) pass and no policy, a pod on each:
    what connection tracking alone costs.  Namespaces "server", "near" and "far"."""

    def __init__(self, lab):
        self.lab = lab
        self.ips = {"server": f"{CT_SUBNET}.1", "near": f"{CT_SUBNET}.2", "far": f"{CT_SUBNET}.3"}
        for node, other in (("node-1", 2), ("node-2", 1)):
            lab.node(node, "ovs-vsctl", "add-br", "br-ct", "--", "set", "bridge", "br-ct",
                     "datapath_type=netdev", "fail_mode=secure", "--", "add-port", "br-ct",
                     "ct-vxlan", "--", "set", "interface", "ct-vxlan", "type=vxlan",
                     f"options:remote_ip=172.30.0.{other}", "options:key=99")
            flows = lab.write(CT_FLOWS, f"ct-{node}.flows")
            lab.node(node, "ovs-ofctl", "add-flows", "br-ct", flows)
        for name, node in (("server", "node-1"), ("near", "node-1"), ("far", "node-2")):
            self._attach(name, node)

    def netns(self, name):
        return self.lab.inst.netns(f"ct-{name}")

    def _attach(self, name, node):
        inst, netns, port = self.lab.inst, self.netns(name), f"ct-{name}"
        inst.record_netns(netns)
        run(["ip", "netns", "add", netns])
        run(["ip", "-n", inst.netns(node), "link", "add", port, "mtu", "1450", "type", "veth",
             "peer", "name", "eth0", "mtu", "1450", "netns", netns])
        run(["ip", "-n", inst.netns(node), "link", "set", port, "up"])
        run(["ip", "-n", netns, "-batch", "-"],
            stdin=f"link set lo up\nlink set eth0 up\naddr add {self.ips[name]}/24 dev eth0\n")
        run(in_netns(netns, ["ethtool", "-K", "eth0", "tx", "off"]))
        self.lab.node(node, "ovs-vsctl", "add-port", "br-ct", port)

    def vswitchd_pids(self):
        return vswitchd_pids(self.lab)

    def flush_conntrack(self):
        flush_conntrack(self.lab)


class VirgaPods:
    """The same three names, as pods of the lab."""

    def __init__(self, lab):
        self.lab = lab
        self.ips = {name: lab.ip(f"load/{name}") for name in ("server", "near", "far", "stranger")}

    def netns(self, name):
        return self.lab.netns(f"load/{name}")

    def vswitchd_pids(self):
        return vswitchd_pids(self.lab)

    def flush_conntrack(self):
        flush_conntrack(self.lab)

    def set_rules(self, n):
        set_rules(self.lab, n)

    def check_open(self):
        """Without rules the stranger gets through: what denies it later are the rules."""
        self._expect_stranger("allowed")

    def check_denied(self):
        """The stranger gets through to no port of the server's."""
        self._expect_stranger("denied")

    def _expect_stranger(self, word):
        server = netload.Server(self.lab.root, self.netns("server"), PORT, 2)
        try:
            require(self.lab, [("load/stranger", "load/server", f"{PORT + 1}/TCP", word),
                               ("load/stranger", "load/server", f"{PORT}/UDP", word)])
        finally:
            server.stop()
