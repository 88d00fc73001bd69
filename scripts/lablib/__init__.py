"""The parts of scripts/lab; see docs/lab.md."""
