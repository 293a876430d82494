"""The main test host's WSGI application, for web server processes."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings.main")

application = get_wsgi_application()
