"""Takes guards out of the package one at a time, and says which of them no test misses."""
