"""Benchmarks, as ratios within one run: what a figure is on a machine says little, what it is to its neighbour much."""
