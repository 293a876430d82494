"""Configuration of the second test host's app."""

from django.apps import AppConfig


class DiaryConfig(AppConfig):
    """The app label is `diary`, as if the app stood at the top of a host's project."""

    name = "tests.hosts.diary"
    label = "diary"
