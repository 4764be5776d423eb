"""Its writable folders are links into the system's own, pipes, loops: none of that becomes writable, and it answers."""

import os

from serving import good, serve

found = [name for name in ("/etc", "/proc/sys", "/dev", "/usr/bin", "/bin", "/lib") if os.access(name, os.W_OK)]
print(found, os.listdir("/results"), flush=True)
serve(lambda body, number: (200, good(body, 1.0 if found else 0.25)))
