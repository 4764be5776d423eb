import sys
import time

from serving import message, serve_raw


def reply(sock, body, number):
    if sys.argv[1] == "silence":
        time.sleep(3600)
    text = message(200, b'{"data": {"probability": 0.5}}' + b" " * 1000)
    if sys.argv[1] == "drip_body":
        head, text = text[:-1000], text[-1000:]
        sock.sendall(head)
    for byte in text:
        sock.sendall(bytes([byte]))
        time.sleep(0.05)


if sys.argv[1] == "never_reads":
    import socket

    listener = socket.create_server(("0.0.0.0", 8000))
    for count in range(1000):
        sock, _ = listener.accept()
        if count == 0:
            sock.recv(1000)
            sock.sendall(message(200, b"{}"))
            continue
        time.sleep(3600)
serve_raw(reply)
