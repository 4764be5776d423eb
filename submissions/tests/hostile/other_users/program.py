import os

from serving import good, serve

is_nobody = os.getuid() == os.geteuid() == 65534 and os.getgid() == 65534 and os.getgroups() in ([], [65534])
serve(lambda body, number: (200, good(body, 0.25 if is_nobody else 1.0)))
