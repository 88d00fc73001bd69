"""A private ovs-vswitchd with one bridge per node, to trace packets in.

Ports are dummies and there is no datapath.  The daemons are children that die
with the runner, however it ends; a directory that a killed runner left is
removed by the next.  Traces go over one connection to the control socket,
many at a time, which is a hundred times faster than a process for each.
"""
import ctypes
import fcntl
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(TOP, "tests", "golden"))
from walk import FIRST_POD, GATEWAY, PORTS, TUNNEL, by_number  # noqa: E402

PREFIX = "virga-conformance-"
WINDOW = 32
PR_SET_PDEATHSIG = 1
LIBC = ctypes.CDLL(None)


class SwitchError(Exception):
    pass


class Unixctl:
    """JSON-RPC 1.0 over the daemon's control socket."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(path)
        self.decoder = json.JSONDecoder()
        self.buffer, self.next_id = "", 0

    def send(self, method, params):
        request = {"id": self.next_id, "method": method, "params": params}
        self.next_id += 1
        self.socket.sendall(json.dumps(request).encode())

    def receive(self):
        while True:
            # A reply is one object: do not try before its end is there.
            if self.buffer.endswith("}") or '}{"' in self.buffer:
                try:
                    reply, end = self.decoder.raw_decode(self.buffer)
                    self.buffer = self.buffer[end:]
                    return reply
                except ValueError:
                    pass
            data = self.socket.recv(1 << 18)
            if not data:
                raise SwitchError("ovs-vswitchd has gone")
            self.buffer += data.decode()

    def call_many(self, method, many):
        """Replies in the order of 'many', a list of parameter lists."""
        replies, sent = [], 0
        while len(replies) < len(many):
            while sent < len(many) and sent - len(replies) < WINDOW:
                self.send(method, many[sent])
                sent += 1
            reply = self.receive()
            if reply["error"] is not None:
                raise SwitchError(f"{method} {many[len(replies)]}: {reply['error']}")
            replies.append(reply["result"])
        return replies


def die_with_parent():
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def remove_stale():
    """Directories of runners that are gone: nobody holds their lock."""
    for name in os.listdir(tempfile.gettempdir()):
        path = os.path.join(tempfile.gettempdir(), name)
        if name.startswith(PREFIX):
            try:
                with open(f"{path}/lock", encoding="ascii") as lock:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    shutil.rmtree(path, ignore_errors=True)
            except OSError:
                pass


class Switch:
    def __init__(self, n_bridges, n_ports):
        self.n_bridges, self.n_ports = n_bridges, n_ports
        self.children = []

    def __enter__(self):
        remove_stale()
        self.dir = tempfile.mkdtemp(prefix=PREFIX)
        self.lock = open(f"{self.dir}/lock", "w", encoding="ascii")
        fcntl.flock(self.lock, fcntl.LOCK_EX)
        self.env = dict(os.environ, **{f"OVS_{v}DIR": self.dir
                                       for v in ("RUN", "LOG", "DB", "SYSCONF")})
        try:
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for child in reversed(self.children):
            child.kill()
            child.wait()
        self.lock.close()
        shutil.rmtree(self.dir, ignore_errors=True)

    def run(self, *command):
        done = subprocess.run(command, env=self.env, check=False, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True)
        if done.returncode:
            raise SwitchError(f"{' '.join(command)}: {done.stdout}")

    def spawn(self, *command):
        self.children.append(subprocess.Popen(
            [command[0], "-vconsole:off", "-vsyslog:off", f"--log-file={self.dir}/log",
             *command[1:]],
            env=self.env, preexec_fn=die_with_parent, stdin=subprocess.DEVNULL))
        return self.children[-1]

    def start(self):
        database = f"{self.dir}/conf.db"
        self.run("ovsdb-tool", "create", database, "/usr/share/openvswitch/vswitch.ovsschema")
        self.spawn("ovsdb-server", f"--remote=punix:{self.dir}/db.sock", database)
        vswitchd = self.spawn("ovs-vswitchd", f"unix:{self.dir}/db.sock", "--disable-system",
                              "--enable-dummy=override")
        # Waits for the database, then until the switch has done it.
        self.run("ovs-vsctl", "--retry", "--timeout=60", f"--db=unix:{self.dir}/db.sock",
                 *(word for i in range(self.n_bridges) for word in self.bridge(i)))
        self.control = Unixctl(f"{self.dir}/ovs-vswitchd.{vswitchd.pid}.ctl")

    def bridge(self, i):
        """ovs-vsctl's words for bridge 'i' with all its ports."""
        bridge = f"br{i}"
        commands = ["--", "add-br", bridge, "--", "set", "bridge", bridge, "datapath_type=dummy",
                    "fail_mode=secure", "protocols=OpenFlow15"]

        def add(name, number, *options):
            commands.extend(["--", "add-port", bridge, name, "--", "set", "interface", name,
                             f"ofport_request={number}", *options])

        add(f"{bridge}t", TUNNEL, "type=vxlan", "options:remote_ip=flow", "options:key=flow")
        add(f"{bridge}g", GATEWAY, "type=dummy")
        patches = [(number, bridge + name) for number, name in PORTS.values()]
        for (number, name), (_, peer) in zip(patches, reversed(patches)):
            add(name, number, "type=patch", f"options:peer={peer}")
        for number in range(FIRST_POD, FIRST_POD + self.n_ports):
            add(f"{bridge}p{number}", number, "type=dummy")
        return commands

    def load(self, i, flows):
        """Makes 'flows' all that bridge 'i' has, at once."""
        path = f"{self.dir}/br{i}.flows"
        with open(path, "w", encoding="utf-8") as file:
            file.write(by_number(flows))
        self.run("ovs-ofctl", "-O", "OpenFlow15", "--bundle", "replace-flows",
                 f"unix:{self.dir}/br{i}.mgmt", path)

    def trace(self, packets):
        """'packets': (bridge number, flow, conntrack state) each; texts."""
        return self.control.call_many(
            "ofproto/trace", [[f"br{i}", flow, "--ct-next", state] for i, flow, state in packets])
