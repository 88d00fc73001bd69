"""tests/bench/netload.c: traffic inside network namespaces, and what became of it."""
import os
import subprocess

from lablib.system import run

from .context import BenchError


def program(root, name="netload"):
    """Builds tests/bench/NAME.c if it is newer than what there is."""
    source = os.path.join(root, "tests", "bench", f"{name}.c")
    target = os.path.join(root, ".build", "bench", name)
    if not os.path.exists(target) or os.stat(target).st_mtime < os.stat(source).st_mtime:
        os.makedirs(os.path.dirname(target), exist_ok=True)
        run(["cc", "-std=gnu11", "-D_GNU_SOURCE", "-O2", "-o", f"{target}.new", source])
        os.replace(f"{target}.new", target)
    return target


def _argv(root, netns, *words):
    return [program(root), f"--netns=/run/netns/{netns}", *map(str, words)]


class Server:
    """Answers on N TCP and UDP ports of a namespace until stop()."""

    def __init__(self, root, netns, port, n_ports=1):
        self.process = subprocess.Popen(_argv(root, netns, "serve", port, n_ports), text=True,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        if self.process.stdout.readline() != "ready\n":
            raise BenchError(f"nothing listens in {netns}")

    def stop(self):
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait()


class Connections:
    """A load of connections from a namespace, for a time."""

    def __init__(self, root, netns, ip, port, n_ports, parallel, seconds):
        self.process = subprocess.Popen(
            _argv(root, netns, "connect", ip, port, n_ports, parallel, round(1000 * seconds)),
            text=True, stdout=subprocess.PIPE)

    def result(self):
        """(connections a second, those that failed); returns when the time is over."""
        said = self.process.communicate()[0].split()
        if self.process.returncode or len(said) != 3:
            raise BenchError("netload connect failed")
        done, failed, ms = map(int, said)
        return 1000 * done / ms, failed


class Watch:
    """Sends every millisecond; targets: [(name, "ping"|"mute"|"stream", ip, port)]."""

    def __init__(self, root, netns, targets):
        self.process = subprocess.Popen(_argv(root, netns, "watch"), text=True,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        for target in targets:
            self._say(" ".join(map(str, target)))

    def _say(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def _figures(self):
        found = {}
        for line in iter(self.process.stdout.readline, ".\n"):
            if not line:
                raise BenchError("netload watch ended")
            name, kind, sent, bad, gap = line.split()
            found[name] = {"kind": kind, "sent": int(sent), "bad": int(bad),
                           "gap_ms": int(gap) / 1000}
        return found

    def mark(self):
        """{name: {sent, bad, gap_ms}} since the last mark; bad: lost, answered or broken."""
        self._say("mark")
        return self._figures()

    def stop(self):
        self._say("end")
        figures = self._figures()
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait()
        return figures
