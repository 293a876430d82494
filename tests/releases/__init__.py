"""What each release put on the wire and expected of the tables; see `tests.releases.record`."""
