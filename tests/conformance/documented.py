"""docs/conformance.md names tests; each must exist."""
import glob
import os
import re

from switch import TOP

PLACES = {"_test": ["src/*/{0}.c", "src/*/*/{0}.c"], "_tests": ["tests/e2e/{0}.py"],
          "mutants": ["tests/conformance/*mutants.py"]}


def text_of(name):
    kind = name if name == "mutants" else "_" + name.rpartition("_")[2]
    paths = [path for pattern in PLACES[kind]
             for path in glob.glob(os.path.join(TOP, pattern.format(name)))]
    text = ""
    for path in paths:
        with open(path, encoding="utf-8") as file:
            text += file.read()
    return text


def run(report):
    with open(os.path.join(TOP, "docs", "conformance.md"), encoding="utf-8") as file:
        named = re.findall(r"`(\w+_tests?|mutants): ([^`]+)`", file.read())
    missing = [f"  {name}: {test}" for name, test in named
               if not re.search(rf"(\"|\b){re.escape(test)}(\"|\()|[(]{re.escape(test)}[)]",
                                text_of(name))]
    report.check("documented-tests-exist", missing if named else ["  none is named"])
