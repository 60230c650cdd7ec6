"""`python -m sidecar`: see sidecar/__init__.py."""

import sys

from sidecar.run import main

if __name__ == "__main__":
    sys.exit(main())
