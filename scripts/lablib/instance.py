"""One lab: its name, its files, and the book of what it made.

Everything a lab makes is either a file below its run directory, a network
namespace (links, bridges, firewall tables live inside and die with it), or a
process.  Each namespace and process is written into the book before it is
made, so that "down" finds it after a crash at any point, and touches nothing
else.  All names derive from the checkout's path and $VIRGA_LAB: labs of two
checkouts, or two labs of one, do not meet."""
import contextlib
import fcntl
import hashlib
import json
import os
import shutil

from .system import LabError, read_pid, run


def _digest(text, length):
    return hashlib.sha256(text.encode()).hexdigest()[:length]


class Instance:
    def __init__(self, root, name):
        self.root = os.path.realpath(root)
        self.name = name
        self.hash = _digest(f"{self.root}\0{name}", 8)
        self.dir = f"/run/virga-lab-{self.hash}"
        self.settings = self._read("settings.json") or {}

    # --- names -----------------------------------------------------------

    def path(self, *parts):
        return os.path.join(self.dir, *parts)

    def netns(self, role):
        """Name of the namespace with a role: "underlay", "world", a node's name."""
        return f"vlab-{self.hash}-{role}"

    def pod_netns(self, ns, name):
        return self.netns("pod-" + _digest(f"{ns}/{name}", 10))

    def build(self):
        """Where the programs of this lab are built: those it was started with."""
        return self.settings.get("build") or os.path.abspath(
            os.environ.get("VIRGA_BUILD") or os.path.join(self.root, ".build"))

    def program(self, name):
        path = os.path.join(self.build(), "bin", name)
        if not os.access(path, os.X_OK):
            raise LabError(f"{path} is not there: build it with \"make\"")
        return path

    def nodes(self):
        return [f"node-{i + 1}" for i in range(self.settings.get("nodes", 0))]

    # --- life ------------------------------------------------------------

    @contextlib.contextmanager
    def locked(self):
        """One command at a time changes a lab.  The directory may go while we wait."""
        while True:
            os.makedirs(self.dir, mode=0o755, exist_ok=True)
            fd = os.open(self.path("lock"), os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
            fcntl.flock(fd, fcntl.LOCK_EX)
            try:
                if os.fstat(fd).st_ino == os.stat(self.path("lock")).st_ino:
                    break
            except FileNotFoundError:
                pass
            os.close(fd)
        try:
            self.settings = self._read("settings.json") or {}
            yield
        finally:
            os.close(fd)

    def exists(self):
        return os.path.isdir(self.dir)

    def is_up(self):
        """Started to the end, and at least one of its processes still runs."""
        return os.path.exists(self.path("ready")) and any(
            read_pid(p) for p in self.processes().values())

    def require_up(self):
        if not self.is_up():
            raise LabError("no lab is up; start one with \"scripts/lab up\"")

    def save_settings(self, **settings):
        self.settings = settings
        self.write("settings.json", settings)

    # --- the book --------------------------------------------------------

    def record_netns(self, netns):
        if os.path.exists(f"/run/netns/{netns}"):
            raise LabError(f"network namespace {netns} is there already, and this lab "
                           "did not make it; remove it with \"ip netns del\"")
        self.write(f"made/netns/{netns}", {})

    def record_process(self, name, pidfile):
        self.write(f"made/process/{name}", {"pidfile": pidfile})

    def forget(self, kind, name):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.path("made", kind, name))

    def namespaces(self):
        return self._names("made/netns")

    def processes(self):
        """Name to pidfile of every process that may run."""
        book = {n: self._read(f"made/process/{n}") for n in self._names("made/process")}
        return {n: entry["pidfile"] for n, entry in book.items() if entry}

    def delete_netns(self, netns):
        """Only for a namespace in the book; fine if it is gone."""
        if netns in self.namespaces():
            if os.path.exists(f"/run/netns/{netns}"):
                run(["ip", "netns", "del", netns])
            self.forget("netns", netns)

    def remove_files(self, keep_lock=False):
        """The lock goes last: who waits for it then sees that the lab is gone."""
        for entry in os.listdir(self.dir):
            path = self.path(entry)
            if entry == "lock":
                continue
            if os.path.isdir(path) and not os.path.islink(path):
                shutil.rmtree(path)
            else:
                os.unlink(path)
        if not keep_lock:
            os.unlink(self.path("lock"))
            os.rmdir(self.dir)

    # --- files -----------------------------------------------------------

    def write(self, relative, value):
        """Whole or not at all, for readers and after a crash."""
        path = self.path(relative)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        temporary = f"{path}.{os.getpid()}.new"
        with open(temporary, "w", encoding="utf-8") as f:
            json.dump(value, f)
        os.replace(temporary, path)

    def _read(self, relative):
        try:
            with open(self.path(relative), encoding="utf-8") as f:
                return json.load(f)
        except (FileNotFoundError, ValueError):
            return None

    def _names(self, relative):
        try:
            return sorted(n for n in os.listdir(self.path(relative)) if not n.endswith(".new"))
        except FileNotFoundError:
            return []

    # --- pods: one file each --------------------------------------------

    def pods(self):
        found = {}
        for name in self._names("pods"):
            pod = self._read(f"pods/{name}")
            if pod:
                found[pod["namespace"], pod["name"]] = pod
        return found

    def save_pod(self, pod):
        self.write(f"pods/{pod['namespace']}_{pod['name']}", pod)

    def forget_pod(self, pod):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.path("pods", f"{pod['namespace']}_{pod['name']}"))
