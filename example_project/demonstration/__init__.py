"""The demo, once its virtual environment is there: processes, story and verdict."""
