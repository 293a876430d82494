"""The main test host's app with entries."""
