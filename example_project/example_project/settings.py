"""Settings of the example journal, by environment variables; without any it runs on SQLite and an embedded broker."""

from __future__ import annotations

from pathlib import Path

from kombu.transport import TRANSPORT_ALIASES

from example_project import environment as env

BASE_DIR = Path(__file__).resolve().parent.parent
VAR = env.folder(Path(env.text("EXAMPLE_VAR", str(BASE_DIR / "var"))).absolute())

LOCAL_HOSTS = ["localhost", "127.0.0.1", "[::1]"]
ALLOWED_HOSTS = env.names("ALLOWED_HOSTS", ",".join(LOCAL_HOSTS))
# Tracebacks in the browser are for the developer's own machine: naming any other host turns them off.
DEBUG = env.boolean("DEBUG", default=set(ALLOWED_HOSTS) <= set(LOCAL_HOSTS))
SECRET_KEY = env.text("SECRET_KEY") or env.secret_key(VAR / "secret_key")

INSTALLED_APPS = [
    "journal",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django_celery_beat",
    "django_celery_results",
    "insights_recovery",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "journal.middleware.PrivacyHeadersMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    # Deny by default: a view is public only where it says so itself.
    "django.contrib.auth.middleware.LoginRequiredMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "journal.middleware.BrowserTimeZoneMiddleware",
]

ROOT_URLCONF = "example_project.urls"
WSGI_APPLICATION = "example_project.wsgi.application"
ASGI_APPLICATION = "example_project.asgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

DATABASE = env.database(VAR / "journal.sqlite3")
DATABASES = {"default": DATABASE}
if DATABASE["ENGINE"] == "django.db.backends.sqlite3":
    # Web server, workers and beat write to one file: IMMEDIATE takes the write lock up front, where waiting for it
    # works, and WAL lets readers read meanwhile.
    DATABASE.setdefault("OPTIONS", {}).update(
        timeout=20,
        transaction_mode="IMMEDIATE",
        init_command="PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
    )
elif DATABASE["ENGINE"] == "django.db.backends.mysql":
    import pymysql

    # Pure Python: it needs no compiler where the example runs.
    pymysql.install_as_MySQLdb()
    DATABASE.setdefault("OPTIONS", {}).setdefault("charset", "utf8mb4")

DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

REDIS_URL = env.text("REDIS_URL")
if REDIS_URL:
    CACHES = {"default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": REDIS_URL}}

LANGUAGE_CODE = "en-gb"
TIME_ZONE = "UTC"
USE_I18N = True
USE_TZ = True

STATIC_URL = "static/"
STATIC_ROOT = VAR / "static"

LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "journal:list"
LOGOUT_REDIRECT_URL = "login"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in ("UserAttributeSimilarityValidator", "MinimumLengthValidator", "CommonPasswordValidator")
]
SECURE_REFERRER_POLICY = "same-origin"

# Celery. Without a broker of its own the example keeps its messages in a folder, by a filesystem transport: it
# needs no server, and a worker killed at work loses the messages that it held, which is what recovery is there for.
CELERY_BROKER_URL = env.text("CELERY_BROKER_URL") or REDIS_URL or "filesystem://localhost//"
if CELERY_BROKER_URL.startswith("filesystem:"):
    TRANSPORT_ALIASES["filesystem"] = "insights_recovery.embedded_broker:Transport"
    MESSAGES = str(env.folder(VAR / "broker" / "messages"))
    CELERY_BROKER_TRANSPORT_OPTIONS = {
        "data_folder_in": MESSAGES,
        "data_folder_out": MESSAGES,
        "control_folder": str(env.folder(VAR / "broker" / "control")),
        "processed_folder": str(env.folder(VAR / "broker" / "processed")),
        # The default of one second makes two tasks a second.
        "polling_interval": 0.05,
    }
CELERY_RESULT_BACKEND = env.text("CELERY_RESULT_BACKEND", "django-db")
CELERY_BEAT_SCHEDULER = "django_celery_beat.schedulers:DatabaseScheduler"
CELERY_TIMEZONE = "UTC"
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_WORKER_CONCURRENCY = env.whole("CELERY_WORKER_CONCURRENCY", default=2)

# Read by example_project.celery. The names differ from the variables', since Celery would take CELERY_LOG_LEVEL and
# its like for settings of its own.
WORKER_LOG_LEVEL = env.log_level("CELERY_LOG_LEVEL")
WORKER_JSON_LOGS = env.boolean("CELERY_JSON_LOGS", default=False)

INSIGHTS_RECOVERY = env.insights({"ENTRY_MODEL": "journal.JournalEntry", "AUTHOR_FIELD": "author"})
