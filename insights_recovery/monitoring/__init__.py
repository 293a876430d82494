"""Watching: statistics, health, and what a worker can say of itself."""
