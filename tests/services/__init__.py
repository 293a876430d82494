"""Real servers for tests, found by one ladder: given by URL, installed, from a wheel, or left out by name.

    from tests import services
    server = services.redis()      # starts it on first use; the same handle ever after
    server.url

Servers of our own listen on 127.0.0.1 only, live in a temporary folder, and end with this process.
"""

from tests.services.ladder import UnavailableError, required, used
from tests.services.mariadb_server import MariaDB, mariadb
from tests.services.postgresql_server import PostgreSQL, postgresql
from tests.services.rabbitmq_server import RabbitMQ, rabbitmq
from tests.services.redis_server import Redis, redis
from tests.services.waiting import wait_until

__all__ = [
    "MariaDB",
    "PostgreSQL",
    "RabbitMQ",
    "Redis",
    "UnavailableError",
    "mariadb",
    "postgresql",
    "rabbitmq",
    "redis",
    "required",
    "used",
    "wait_until",
]
