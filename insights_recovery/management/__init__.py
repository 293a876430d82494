"""What an operator may ask on the command line."""
