"""Settings of the main test host: `notes.Entry`, integer key, with an author."""

import tests.hosts.main  # noqa: F401 - in a real project the settings lie in this package, which loads the Celery app
from tests.settings.base import *  # noqa: F403 - settings modules are layered this way
from tests.settings.base import INSIGHTS_RECOVERY_BASE, INSTALLED_APPS

INSTALLED_APPS = [*INSTALLED_APPS, "tests.hosts.notes"]
ROOT_URLCONF = "tests.hosts.main.urls"
WSGI_APPLICATION = "tests.hosts.main.wsgi.application"
INSIGHTS_RECOVERY = {"ENTRY_MODEL": "notes.Entry", "AUTHOR_FIELD": "author"} | INSIGHTS_RECOVERY_BASE
