"""An Open vSwitch of its own in a network namespace of its own: what "raw" runs on,
and the chassis of the OVN peer.  Userspace datapath only."""
import os
import re
import time

from benchlib import processes
from benchlib.context import BenchError
from lablib.instance import Instance
from lablib.system import LabError, in_netns, read_pid, run

VSWITCHD_SCHEMA = "/usr/share/openvswitch/vswitch.ovsschema"


class Daemons:
    """Starts daemons of OVS and OVN; the instance's book has every one of them."""

    def __init__(self, ctx, name):
        self.inst = ctx.instance(name)
        self.netns = self.inst.netns("switch")
        self.inst.record_netns(self.netns)
        run(["ip", "netns", "add", self.netns])
        run(["ip", "-n", self.netns, "link", "set", "lo", "up"])
        self.rundir = self.inst.path("run")
        os.makedirs(self.rundir, exist_ok=True)
        self.env = {**os.environ, **{key: self.rundir for key in (
            "OVS_RUNDIR", "OVS_LOGDIR", "OVS_DBDIR", "OVS_SYSCONFDIR", "OVN_RUNDIR",
            "OVN_LOGDIR", "OVN_DBDIR", "OVN_SYSCONFDIR")}}

    def start(self, name, argv):
        pidfile = os.path.join(self.rundir, f"{name}.pid")
        self.inst.record_process(name, pidfile)
        # ovn-controller has no choice of its control socket.
        control = [] if name == "ovn-controller" else [f"--unixctl={self.rundir}/{name}.ctl"]
        run(in_netns(self.netns, [
            *argv, f"--pidfile={pidfile}", f"--log-file={self.rundir}/{name}.log", *control,
            "-vconsole:off", "--no-chdir", "--detach"]), env=self.env)

    def database(self, name, schema):
        """An ovsdb-server on a new file; returns the path of its socket."""
        path = os.path.join(self.rundir, f"{name}.db")
        run(["ovsdb-tool", "create", path, schema])
        self.start(name, ["ovsdb-server", path, f"--remote=punix:{self.rundir}/{name}.sock"])
        return f"{self.rundir}/{name}.sock"

    def switch(self):
        socket = self.database("conf", VSWITCHD_SCHEMA)
        self.vsctl("--no-wait", "init")
        self.start("vswitchd", ["ovs-vswitchd", f"unix:{socket}", "--disable-system"])

    def vsctl(self, *argv):
        return run(["ovs-vsctl", f"--db=unix:{self.rundir}/conf.sock", *argv], env=self.env,
                   timeout=300).stdout

    def ofctl(self, *argv, stdin=None):
        return run(in_netns(self.netns, ["ovs-ofctl", *argv]), env=self.env, stdin=stdin,
                   timeout=600).stdout

    def appctl(self, *argv):
        return run(["ovs-appctl", "-t", f"{self.rundir}/vswitchd.ctl", *argv], env=self.env,
                   timeout=600).stdout

    def pid(self, name):
        return read_pid(os.path.join(self.rundir, f"{name}.pid"))

    def down(self):
        from lablib import cluster
        cluster.down(Instance(self.inst.root, self.inst.name))


# --- the raw limit --------------------------------------------------------------------


def table_numbers(root):
    with open(os.path.join(root, "ovs-flows", "tables.def"), encoding="utf-8") as f:
        return dict(re.findall(r"^TABLE\((\w+), (\d+),", f.read(), re.M))


def with_numbers(root, flows):
    """Table names become numbers: a bridge without Virga's agent knows no names."""
    tables = table_numbers(root)
    return re.sub(r'(table[=:]|resubmit\(,)"?([a-z_]+)"?',
                  lambda m: m[1] + tables[m[2]] if m[2] in tables else m[0], flows)


class Raw:
    """ovs-ofctl and a bridge, and nothing else: the least that flows can take.

    The bridge has as many veth ports as Virga's has pods, unless it is to be bare.  With
    the userspace datapath the thread that takes flows polls each of them after every 50
    messages, which is more than half of its time with a hundred ports."""

    def __init__(self, ctx):
        self.ctx = ctx
        self.daemons = Daemons(ctx, "bench-raw")
        self.daemons.switch()
        self.links = 0
        ctx.defer(self.daemons.down)

    def _ports(self, n):
        """Words for ovs-vsctl that add n ports; what is behind each is up and silent."""
        lines = [line for i in range(self.links, n) for line in (
            f"link add p{i} type veth peer name q{i}", f"link set p{i} up", f"link set q{i} up")]
        if lines:
            run(["ip", "-n", self.daemons.netns, "-batch", "-"], stdin="\n".join(lines) + "\n")
        self.links = max(n, self.links)
        return [word for i in range(n) for word in ("--", "add-port", "raw", f"p{i}")]

    def add_flows(self, flows, base="", ports=0):
        """Seconds until the barrier after one bundle of 'flows', in a new bridge that has
        'base' already; and how many flows the bridge then has."""
        # Two transactions: in one, the bridge and its flows would stay.
        self.daemons.vsctl("--if-exists", "del-br", "raw")
        self.daemons.vsctl("add-br", "raw", "--", "set", "bridge", "raw",
                           "datapath_type=netdev", "fail_mode=secure", *self._ports(ports))
        path = self.ctx.out_file("raw.flows", with_numbers(self.ctx.root, flows))
        if base:
            self._add(self.ctx.out_file("raw.base", with_numbers(self.ctx.root, base)))
        began = time.monotonic()
        self._add(path)
        seconds = time.monotonic() - began
        found = re.search(r"flow_count=(\d+)", self.daemons.ofctl("dump-aggregate", "raw"))
        return seconds, int(found[1])

    def _add(self, path):
        try:
            self.daemons.ofctl("--bundle", "add-flows", "raw", path)
        except LabError as e:
            raise BenchError(f"the raw bridge refuses the flows: {str(e)[:500]}") from e

    def memory(self):
        return {"vswitchd_rss_mb": round(processes.rss_mb(self.daemons.pid("vswitchd")), 1)}
