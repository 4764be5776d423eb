import sys

from serving import serve_raw

BLOCK = b"x" * 65536


def reply(sock, body, number):
    kind = sys.argv[1]
    if kind == "announced":
        sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2147483648\r\n\r\n")
    elif kind == "chunked":
        sock.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    elif kind == "endless":
        sock.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
    else:
        sock.sendall(b"HTTP/1.1 200 OK\r\nX: ")
    while True:
        sock.sendall(b"10000\r\n" + BLOCK + b"\r\n" if kind == "chunked" else BLOCK)


serve_raw(reply)
