import sys
import threading

from serving import serve


def flood():
    for _ in range(400):
        sys.stdout.write("x" * 65536 + "\n")
        sys.stderr.write("y" * 65536)


threading.Thread(target=flood, daemon=True).start()
serve()
