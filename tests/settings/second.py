"""Settings of the second test host: `diary.Note`, UUID key, another text field, no author."""

import tests.hosts.second  # noqa: F401 - in a real project the settings lie in this package, which loads the Celery app
from tests.settings.base import *  # noqa: F403 - settings modules are layered this way
from tests.settings.base import INSIGHTS_RECOVERY_BASE, INSTALLED_APPS

INSTALLED_APPS = [*INSTALLED_APPS, "tests.hosts.diary"]
ROOT_URLCONF = "tests.hosts.second.urls"
INSIGHTS_RECOVERY = {"ENTRY_MODEL": "diary.Note", "TEXT_FIELD": "body"} | INSIGHTS_RECOVERY_BASE
