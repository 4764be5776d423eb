"""Answers 1.0 if it finds cases, plans, secrets, capabilities, other processes or a writable root."""

import os

from serving import good, serve

found = [path for path in ("/cases", "/plan", "/var/run/docker.sock", "/run/secrets") if os.path.exists(path)]
WORDS = ("SECRET", "TOKEN", "DATABASE", "LUNA", "MINIO")
found += [name for name in os.environ if any(word in name for word in WORDS)]
found += [pid for pid in os.listdir("/proc") if pid.isdigit() and int(pid) > 50]
status = open("/proc/self/status").read()
found += [] if "CapEff:\t0000000000000000" in status and "NoNewPrivs:\t1" in status else ["privileges"]
found += [name for name in ("/", "/etc", "/usr", "/hostile") if os.access(name, os.W_OK)]
print(found, flush=True)
serve(lambda body, number: (200, good(body, 1.0 if found else 0.25)))
