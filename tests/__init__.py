"""Tests of insights_recovery: `python3 tests/run.py` runs them all."""
