"""Migrations of the test host's entries."""
