"""``python -m boceto``."""

import sys

from boceto.cli import main

if __name__ == "__main__":  # worker processes import this file too
    sys.exit(main())
