"""``python -m boceto``."""

from boceto.cli import entry

if __name__ == "__main__":  # worker processes import this file too
    entry()
