"""The machine and the versions that a figure belongs to."""
import datetime
import os
import platform
import subprocess


def _first_line(*argv):
    try:
        done = subprocess.run(argv, text=True, capture_output=True, check=False)
        return done.stdout.partition("\n")[0].strip()
    except OSError:
        return ""


def _proc(path, key):
    with open(path, encoding="ascii", errors="replace") as f:
        return next((x.partition(":")[2].strip() for x in f if x.startswith(key)), "")


def describe(root):
    memory = _proc("/proc/meminfo", "MemTotal").split()[0]
    with open("/etc/os-release", encoding="utf-8") as f:
        system = next((x.partition("=")[2].strip().strip('"') for x in f
                       if x.startswith("PRETTY_NAME=")), "")
    return {"date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
            "cpu": _proc("/proc/cpuinfo", "model name"), "cores": os.cpu_count(),
            "memory_gb": round(int(memory) / 2**20), "kernel": platform.release(),
            "system": system,
            "virga": _first_line("git", "-C", root, "describe", "--always", "--dirty"),
            "ovs": _first_line("ovs-vswitchd", "--version").rpartition(" ")[2],
            "ovn": _first_line("ovn-controller", "--version").rpartition(" ")[2]}


def sentence(m):
    return (f"{m['cores']} cores of {m['cpu']}, {m['memory_gb']} GB, {m['system']}, Linux "
            f"{m['kernel']}; Virga {m['virga']}, OVS {m['ovs']}"
            + (f", OVN {m['ovn']}" if m["ovn"] else "") + f"; {m['date']}")
