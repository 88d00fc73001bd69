"""Debian packages of the peers.

Installing one must not start it, nor touch an Open vSwitch that may run: /usr/sbin/policy-rc.d
(Debian policy, 9.3.3.1) says no to every start while apt-get runs.  What was there before is put
back, at once or by the next run."""
import os
import subprocess

from benchlib.context import BenchError

POLICY = "/usr/sbin/policy-rc.d"
ASIDE = POLICY + ".virga-bench"
DENY = "#!/bin/sh\nexit 101\n"


def _installed(package):
    done = subprocess.run(["dpkg-query", "-W", "-f", "${db:Status-Status}", package],
                          text=True, capture_output=True, check=False)
    return done.stdout == "installed"


def _apt(*argv):
    return subprocess.run(
        ["apt-get", "--quiet", "-o", "DPkg::Lock::Timeout=300", *argv], text=True,
        stdin=subprocess.DEVNULL, capture_output=True, check=False,
        env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"})


def _deny_starts():
    if os.path.exists(POLICY):
        os.replace(POLICY, ASIDE)
    with open(POLICY, "w", encoding="ascii") as f:
        f.write(DENY)
    os.chmod(POLICY, 0o755)


def _restore():
    if os.path.exists(ASIDE):
        os.replace(ASIDE, POLICY)
    else:
        os.unlink(POLICY)


def ensure(ctx, *packages):
    """Installs what is missing."""
    if os.path.exists(ASIDE):  # An earlier run was killed here.
        _restore()
    missing = [p for p in packages if not _installed(p)]
    if not missing:
        return
    with ctx.step(f"installing {' '.join(missing)}"):
        _deny_starts()
        try:
            done = _apt("install", "--yes", "--no-install-recommends", *missing)
            if done.returncode:
                _apt("update")
                done = _apt("install", "--yes", "--no-install-recommends", *missing)
        finally:
            _restore()
        if done.returncode:
            raise BenchError(f"cannot install {' '.join(missing)}: {done.stderr[-500:]}")
