"""Start the model server: `python -m inference.networks.server`."""

import sys

from .server import main

if __name__ == "__main__":
    sys.exit(main())
