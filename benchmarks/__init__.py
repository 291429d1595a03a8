"""What portkey-local costs: `python -m benchmarks`, run from the repository.

Everything is measured against a peer in the same run, round by round in turn, because the figures
of two runs, or of two machines, say nothing about each other. Importing this package imports
nothing.
"""
