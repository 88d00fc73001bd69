"""Collects tests, runs them one after another, prints "ok NAME" lines."""
import os
import shutil
import time
import traceback

TESTS = []


class Failure(AssertionError):
    """What a test expected and did not see."""


def test(function):
    """Marks a test; it gets the lab, with no objects but those of an empty cluster."""
    TESTS.append(function)
    return function


def check(condition, message):
    if not condition:
        raise Failure(message)


def equal(got, wanted, what):
    if got != wanted:
        raise Failure(f"{what}: {got!r} instead of {wanted!r}")


def _selected(words):
    ordered = sorted(TESTS, key=lambda t: (ORDER.get(t.__module__, 50)))
    return [t for t in ordered if not words or any(t.__name__.startswith(w) for w in words)]


# The most telling first; those that break things last.
ORDER = {"shop_tests": 0, "policy_tests": 1, "cluster_policy_tests": 1,
         "revocation_tests": 1, "legacy_tests": 1, "atomicity_tests": 1, "why_tests": 1,
         "datapath_tests": 2,
         "counter_tests": 3, "cni_tests": 4, "manifest_tests": 5, "stress_tests": 5, "fault_tests": 6,
         "cluster_tests": 7}


def _run_one(function, lab):
    """None, or why it failed."""
    try:
        lab.reset()
        function(lab)
        return "\n".join(lab.died()) or None
    except Failure as e:
        return str(e)
    except Exception:  # Whatever it is, the other tests go on.
        return traceback.format_exc(limit=-4)


def main(lab, words):
    tests = _selected(words)
    if "--list" in words:
        print("\n".join(t.__name__ for t in _selected([])))
        return 0
    if not tests:
        print(f"no test starts with {' or '.join(words)}; see --list")
        return 1
    passed = failed = 0
    lab.start()
    try:
        for function in tests:
            began = time.monotonic()
            problem = _run_one(function, lab)
            passed, failed = passed + (not problem), failed + bool(problem)
            print(f"{'not ok' if problem else 'ok'} {function.__name__} "
                  f"({time.monotonic() - began:.1f} s)", flush=True)
            for line in (problem or "").splitlines():
                print(f"    {line}", flush=True)
        if not os.environ.get("KEEP"):
            problem = _goodbye(lab)
            passed, failed = passed + (not problem), failed + bool(problem)
    finally:
        keep_logs(lab, "e2e")
        if not os.environ.get("KEEP"):
            lab.stop()
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


def _goodbye(lab):
    """SIGTERM ends every daemon of ours, and no sanitizer finds a leak."""
    problem = None
    try:
        lab.reset()
        lab.end_daemons()
        problem = "\n".join(lab.sanitizer_reports()) or None
    except Exception:
        problem = traceback.format_exc(limit=-4)
    print(f"{'not ok' if problem else 'ok'} daemons_end_when_asked")
    for line in (problem or "").splitlines():
        print(f"    {line}", flush=True)
    return problem


def keep_logs(lab, name):
    """The logs of the lab's daemons as .build/NAME/, for when the lab is gone."""
    target = os.path.join(lab.inst.build(), name)
    shutil.rmtree(target, ignore_errors=True)
    if os.path.isdir(lab.inst.path("log")):
        shutil.copytree(lab.inst.path("log"), target)
