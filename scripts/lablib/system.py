"""Commands, conditions and processes: the only place that starts, waits or kills."""
import os
import select
import signal
import subprocess
import sys
import time


class LabError(Exception):
    """A failure with a message for people: what, and the next step."""

    def __init__(self, message, status=1):
        super().__init__(message)
        self.status = status


def run(argv, stdin=None, env=None, check=True, timeout=60):
    """Runs to the end and returns the CompletedProcess, with text output."""
    try:
        done = subprocess.run([str(a) for a in argv], input=stdin, env=env, text=True,
                              capture_output=True, timeout=timeout, check=False,
                              **({} if stdin is not None else {"stdin": subprocess.DEVNULL}))
    except FileNotFoundError as e:
        raise LabError(f"{argv[0]}: {e.strerror}; \"make\" builds, scripts/setup installs") from e
    except subprocess.TimeoutExpired as e:
        raise LabError(f"{' '.join(map(str, argv))}: no end after {timeout} s") from e
    if check and done.returncode:
        said = (done.stderr or done.stdout).strip()
        raise LabError(f"{' '.join(map(str, argv))}: {said or f'exit {done.returncode}'}")
    return done


def wait_until(condition, timeout, what, interval=0.02):
    """Returns the first true value of condition().  'what' names it, or says it when called."""
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() >= deadline:
            raise LabError(f"waited {timeout:g} s for {what() if callable(what) else what}")
        time.sleep(interval)


def in_netns(netns, argv):
    """argv as run inside the named network namespace."""
    return ["nsenter", f"--net=/run/netns/{netns}", *argv]


def read_pid(pidfile):
    """The pid of the process that wrote 'pidfile', or None if it is gone.

    A pid may belong to somebody else by now: the process must name this very
    pidfile on its command line, which nobody else does."""
    try:
        with open(pidfile, encoding="ascii") as f:
            pid = int(f.read())
        with open(f"/proc/{pid}/cmdline", "rb") as f:
            args = f.read().split(b"\0")
    except (OSError, ValueError):
        return None
    return pid if f"--pidfile={pidfile}".encode() in args else None


def pids_in_netns(netns):
    """Every process inside a named network namespace."""
    try:
        home = os.stat(f"/run/netns/{netns}")
        if home.st_dev == os.stat("/run/netns").st_dev:
            return []  # Left over from before a reboot: no namespace any more.
    except OSError:
        return []
    pids = []
    for entry in os.listdir("/proc"):
        if not entry.isdigit() or int(entry) == os.getpid():
            continue
        try:
            st = os.stat(f"/proc/{entry}/ns/net")
        except OSError:
            continue
        if (st.st_dev, st.st_ino) == (home.st_dev, home.st_ino):
            pids.append(int(entry))
    return pids


def end_processes(find_pids, grace=3.0):
    """Asks every process to end, insists after 'grace' seconds, and returns when all are gone.

    find_pids() is asked once the handles are open, so that a pid which changed
    hands in between is never signalled."""
    handles = {}
    for pid in find_pids():
        try:
            handles[pid] = os.pidfd_open(pid)
        except ProcessLookupError:
            pass
    confirmed = set(find_pids())
    poll = select.poll()
    waiting = set()
    for pid, fd in handles.items():
        if pid in confirmed and _signal(fd, signal.SIGTERM):
            poll.register(fd, select.POLLIN)
            waiting.add(fd)
    for signo, patience in ((None, grace), (signal.SIGKILL, 10.0)):
        deadline = time.monotonic() + patience
        for fd in waiting if signo else ():
            _signal(fd, signo)
        while waiting and (left := deadline - time.monotonic()) > 0:
            for fd, _ in poll.poll(left * 1000):
                poll.unregister(fd)
                waiting.discard(fd)
    for fd in handles.values():
        os.close(fd)
    if waiting:
        raise LabError("some processes do not end even by SIGKILL")


def kill_now(pidfile):
    """SIGKILL, as a crash; returns when the process is gone, False if there was none."""
    pid = read_pid(pidfile)
    if pid is None:
        return False
    fd = os.pidfd_open(pid)
    try:
        if read_pid(pidfile) == pid:
            _signal(fd, signal.SIGKILL)
            select.select([fd], [], [], 10)
    finally:
        os.close(fd)
    return True


def _signal(fd, signo):
    try:
        signal.pidfd_send_signal(fd, signo)
        return True
    except ProcessLookupError:
        return False


def say(text):
    print(text, flush=True)


def warn(text):
    print(f"lab: {text}", file=sys.stderr, flush=True)
