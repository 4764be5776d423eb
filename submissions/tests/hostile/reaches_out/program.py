"""Answers 1.0 if anything at all can be reached, 0.25 if nothing can."""

import os
import socket

from serving import good, serve

HOSTS = ["192.0.2.1", "169.254.169.254", "172.17.0.1", *os.environ.get("HOSTS", "").split()]
TARGETS = [(host, int(os.environ.get("CANARY", "80"))) for host in HOSTS]
reached = []
for target in TARGETS:
    try:
        socket.create_connection(target, timeout=0.5)
        reached.append(target)
    except OSError:
        pass
try:
    socket.getaddrinfo("example.com", 80)
    reached.append("dns")
except OSError:
    pass
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
    try:
        udp.sendto(b"leak", ("192.0.2.1", 53))
        reached.append("udp")
    except OSError:
        pass
if [name for _, name in socket.if_nameindex()] != ["lo"]:
    reached.append("interface")
serve(lambda body, number: (200, good(body, 1.0 if reached else 0.25)))
