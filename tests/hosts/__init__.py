"""Host projects for tests: what an adopter would have, as small as it can be."""
