"""The daemons of a lab: how each is started, and how to tell that it answers."""
import os
import socket

from .api import Api, ApiError
from .system import LabError, in_netns, kill_now, read_pid, run, wait_until

START_SECONDS = 20
# As in scripts/systemd/virga-ovsdb.service.in, which says why.
DB_MALLOC = {"LD_PRELOAD": "libjemalloc.so.2",
             "MALLOC_CONF": "thp:always,metadata_thp:always,dirty_decay_ms:10000"}


# Of the nodes: the world.
GATEWAY, GATEWAY6 = "172.30.0.254", "fd00:172:30::fe"


def vtep(node):
    return f"172.30.0.{int(node.rpartition('-')[2])}"


def node_ip6(node):
    return f"fd00:172:30::{int(node.rpartition('-')[2]):x}"


def ovs_env(inst, node):
    """What makes the tools of OVS speak to a node's own daemons."""
    rundir = inst.path(node, "ovs")
    return {**os.environ, "OVS_RUNDIR": rundir, "OVS_LOGDIR": inst.path("log"),
            "OVS_DBDIR": rundir, "OVS_SYSCONFDIR": rundir}


def _more_options(path):
    """One a line, for an agent that a test starts again."""
    try:
        with open(path, encoding="utf-8") as f:
            return f.read().split()
    except FileNotFoundError:
        return []


class Parts:
    def __init__(self, inst):
        self.inst = inst
        self.api = Api(inst.path("controller", "api.sock"))

    # --- starting ---------------------------------------------------------

    def _start(self, name, rundir, argv, netns=None, env=None):
        """Starts a daemon with the options that all of them share (those of OVS).

        The pidfile has the program's name, for "ovs-appctl -t PROGRAM"."""
        inst = self.inst
        pidfile = os.path.join(rundir, f"{os.path.basename(argv[0])}.pid")
        if read_pid(pidfile):
            raise LabError(f"{name} runs already")
        os.makedirs(rundir, exist_ok=True)
        os.makedirs(inst.path("log"), exist_ok=True)
        inst.record_process(name, pidfile)
        argv = [*argv, f"--pidfile={pidfile}", f"--log-file={inst.path('log', name + '.log')}",
                "-vconsole:off", "--no-chdir", "--detach"]
        env = dict(env or os.environ)
        log = inst.path("log", name)
        if inst.build().endswith("-san"):
            env["ASAN_OPTIONS"] = f"log_path={log}.asan"
            env["UBSAN_OPTIONS"] = f"print_stacktrace=1:log_path={log}.ubsan"
        try:
            run(in_netns(netns, argv) if netns else argv, env=env)
        except LabError as e:
            raise LabError(f"{name} does not start: {e}; see {log}.log") from e

    def start_db(self):
        inst, rundir = self.inst, self.inst.path("db")
        database = os.path.join(rundir, "virga.db")
        os.makedirs(rundir, exist_ok=True)
        if not os.path.exists(database):
            run(["ovsdb-tool", "create", database,
                 os.path.join(inst.root, "include", "virga.ovsschema")])
        self._start("db", rundir, ["ovsdb-server", database, f"--remote=punix:{rundir}/virga.sock",
                                   f"--unixctl={rundir}/virga.ctl"],
                    env={**os.environ, **DB_MALLOC})

    def start_controller(self):
        inst = self.inst
        rundir = inst.path("controller")
        # The same port after a restart, so that clients find it again.
        port = inst.settings.get("port", 0)
        self._start("controller", rundir,
                    [inst.program("virga-controller"), f"--db=unix:{inst.path('db', 'virga.sock')}",
                     f"--rundir={rundir}", f"--http=127.0.0.1:{port}", *self._cidrs()])
        wait_until(lambda: self.api_url() and _accepts(self.api.socket_path), START_SECONDS,
                   "the controller to listen")
        self._wait_leader()
        inst.save_settings(**{**inst.settings, "port": int(self.api_url().rpartition(":")[2])})

    def _cidrs(self):
        cidrs = self.inst.settings.get("cidrs")
        return [f"--cluster-cidr={cidrs}"] if cidrs else []

    def start_ovs(self, node):
        """ovsdb-server, ovs-vswitchd and br-phy, which holds the underlay link and address."""
        inst, netns = self.inst, self.inst.netns(node)
        rundir, env = inst.path(node, "ovs"), ovs_env(inst, node)
        os.makedirs(rundir, exist_ok=True)
        database = os.path.join(rundir, "conf.db")
        if not os.path.exists(database):
            run(["ovsdb-tool", "create", database, "/usr/share/openvswitch/vswitch.ovsschema"])
        self._start(f"ovsdb-{node}", rundir,
                    ["ovsdb-server", database, f"--remote=punix:{rundir}/db.sock"], netns, env)
        run(["ovs-vsctl", "--no-wait", "init"], env=env)
        # The lab's OVS must not look at the machine's own datapaths: netdev only.
        self._start(f"vswitchd-{node}", rundir,
                    ["ovs-vswitchd", f"unix:{rundir}/db.sock", "--disable-system"], netns, env)
        run(["ovs-vsctl", "--may-exist", "add-br", "br-phy", "--", "set", "bridge", "br-phy",
             "datapath_type=netdev", "fail_mode=standalone",
             "--", "--may-exist", "add-port", "br-phy", "eth0"], env=env)
        run(["ip", "-n", netns, "-batch", "-"],
            stdin=f"addr replace {vtep(node)}/24 dev br-phy\n"
                  f"addr replace {node_ip6(node)}/64 dev br-phy nodad\nlink set br-phy up\n"
                  f"route replace default via {GATEWAY}\n"
                  f"route replace default via {GATEWAY6} dev br-phy\n")

    def start_agent(self, node):
        inst, ovs = self.inst, self.inst.path(node, "ovs")
        self._start(f"agent-{node}", inst.path(node, "agent"),
                    [inst.program("virga-agent"), f"--db=unix:{inst.path('db', 'virga.sock')}",
                     f"--rundir={inst.path(node, 'agent')}", f"--node={node}",
                     f"--vtep={vtep(node)}", f"--ovs-db=unix:{ovs}/db.sock", f"--ovs-rundir={ovs}",
                     f"--flow-log={inst.path(node, 'agent', 'flows.log')}",
                     "--datapath=netdev", *self._cidrs(),
                     *_more_options(inst.path(node, "agent", "options"))],
                    inst.netns(node), ovs_env(inst, node))
        wait_until(lambda: _accepts(inst.path(node, "agent", "cni.sock")), START_SECONDS,
                   f"the agent of {node} to answer")

    # --- asking -----------------------------------------------------------

    def api_url(self):
        try:
            with open(self.inst.path("controller", "api.url"), encoding="ascii") as f:
                return f.read().strip()
        except FileNotFoundError:
            return ""

    def controller_answers(self):
        try:
            return self.api_url() and self.api.status()
        except ApiError:
            return None

    def node_readiness(self):
        """Node name to what the controller says of it; empty if it does not answer."""
        status = self.controller_answers() or {}
        return {n["name"]: n for n in status.get("nodes", [])}

    def _wait_leader(self):
        """With the database and a controller there, until the controller leads."""
        if self.is_running("db") and self.is_running("controller"):
            wait_until(self.controller_answers, START_SECONDS, "the controller to answer")

    def _agent_is_ready(self, node):
        """By its own word: the database keeps an old agent's until the new one has spoken."""
        try:
            return "\nready: yes\n" in run(["ovs-appctl", "-t", self.inst.path(
                node, "agent", "virga-agent.ctl"), "show"]).stdout
        except LabError:
            return False

    def wait_nodes_ready(self, nodes):
        last, silent = {}, []

        def all_ready():
            silent[:] = [n for n in nodes if not self._agent_is_ready(n)]
            last.update(self.node_readiness())
            return not silent and all(last.get(n, {}).get("ready") for n in nodes)

        def what():
            behind = [f"{n} ({last.get(n, {}).get('message') or 'no word from it'})"
                      for n in nodes if n in silent or not last.get(n, {}).get("ready")]
            return "nodes to be ready: " + ", ".join(behind) + f"; logs in {self.inst.path('log')}"

        wait_until(all_ready, START_SECONDS, what)

    def is_running(self, name):
        pidfile = self.inst.processes().get(name)
        return bool(pidfile and read_pid(pidfile))

    # --- faults -----------------------------------------------------------

    def process_name(self, part, node):
        if part == "agent":
            if node not in self.inst.nodes():
                raise LabError(f"which node's agent? One of: {', '.join(self.inst.nodes())}")
            return f"agent-{node}"
        return part

    def kill(self, part, node):
        name = self.process_name(part, node)
        if not kill_now(self.inst.processes().get(name, "")):
            raise LabError(f"{name} does not run")

    def start(self, part, node):
        """Returns when the part does its work again, as far as the others allow."""
        self.process_name(part, node)
        if part == "agent":
            self.start_agent(node)
        elif part == "controller":
            self.start_controller()
        else:
            self.start_db()
            self._wait_leader()
        agents = [n for n in self.inst.nodes() if self.is_running(f"agent-{n}")]
        if self.is_running("db") and self.is_running("controller"):
            self.wait_nodes_ready(agents)


def _accepts(path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as s:
        try:
            s.connect(path)
            return True
        except OSError:
            return False
