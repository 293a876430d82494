"""Chaos: real workers, beat and web writers on a staging copy, faults drawn from a seed, and a verdict.

The processes run the host's own project under `chaos.settings`, with an extractor that costs nothing. What they did is
read from the database and from the journal that they keep in a folder; nothing of the entries' texts is in it.
"""
