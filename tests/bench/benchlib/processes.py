"""Memory and processor time of processes."""
import os
import sys
import time


def rss_mb(pid):
    """Resident memory; 0 if the process is gone."""
    return _status_mb(pid, "VmRSS")


def peak_mb(pid):
    return _status_mb(pid, "VmHWM")


def _status_mb(pid, key):
    try:
        with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as f:
            line = next((x for x in f if x.startswith(key + ":")), None)
    except OSError:
        return 0.0
    return int(line.split()[1]) / 1024 if line else 0.0


def cpu_seconds(pid):
    """User and system time so far."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as f:
            fields = f.read().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def watch(pids):
    """{name: pid} to {name: processor seconds}; subtract two of them."""
    return {name: cpu_seconds(pid) for name, pid in pids.items() if pid}


def spent(pids, before, suffix="_cpu_s"):
    """Figures "NAME_cpu_s": what each took since watch()."""
    return {f"{name}{suffix}": round(now - before.get(name, 0), 3)
            for name, now in watch(pids).items()}


def wait_rest(pids, limit_s=60):
    """Until they take less than a tenth of a core, all together; says so if they do not."""
    deadline, busy = time.monotonic() + limit_s, True
    while busy and time.monotonic() < deadline:
        before = watch(pids)
        time.sleep(0.2)
        busy = sum(spent(pids, before).values()) > 0.02
    if busy:
        print(f"{', '.join(pids)}: still busy after {limit_s} s; figures are of a busy moment",
              file=sys.stderr)


def _machine_seconds():
    """User and system time of everything on this machine."""
    with open("/proc/stat", encoding="ascii") as f:
        fields = f.readline().split()
    return sum(map(int, fields[1:4] + fields[6:8])) / os.sysconf("SC_CLK_TCK")


def wait_machine_rest(limit_s=180):
    """Until the whole machine takes less than a fifth of a core for a second; False if it does
    not come to that."""
    deadline, quiet = time.monotonic() + limit_s, 0
    while quiet < 4 and time.monotonic() < deadline:
        before, began = _machine_seconds(), time.monotonic()
        time.sleep(0.25)
        load = (_machine_seconds() - before) / (time.monotonic() - began)
        quiet = quiet + 1 if load < 0.2 else 0
    return quiet == 4


def memory(pids, suffix="_rss_mb"):
    return {f"{name}{suffix}": round(rss_mb(pid), 1) for name, pid in pids.items() if pid}
