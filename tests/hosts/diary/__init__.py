"""The second test host's app with entries."""
