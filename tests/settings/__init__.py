"""Django settings of the test hosts: `main` (integer keys) and `second` (UUID keys), both driven by the environment."""
