"""Evidence for the ten invariants: faults of every kind by the thousand; see docs/explanation/evidence.md."""
