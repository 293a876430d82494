"""The journal: the app of the host project."""
