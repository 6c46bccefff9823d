"""Runnable measurements: ``python -m benchmarks.NAME`` prints one and keeps it in ``benchmarks/results/NAME.txt``."""
