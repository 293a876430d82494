"""Commands of the processes of a chaos run."""
