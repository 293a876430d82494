"""Tests of the second host: another entry model, another kind of key, another text field."""
