"""Start the model server: `python -m inference.networks.server`."""

from .server import main

if __name__ == "__main__":
    main()
