"""Configuration of the main test host's app."""

from django.apps import AppConfig


class NotesConfig(AppConfig):
    """The app label is `notes`, as if the app stood at the top of a host's project."""

    name = "tests.hosts.notes"
    label = "notes"
