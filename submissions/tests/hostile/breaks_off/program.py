import gzip
import sys

from serving import good, message, serve_raw

BROKEN = {
    "nothing": b"",
    "half_head": b"HTTP/1.1 200 OK\r\nContent-",
    "half_body": b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{",
    "not_http": b"SSH-2.0-OpenSSH_9.9\r\n\r\n",
    "bad_length": b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
}


def reply(sock, body, number):
    zipped = message(200, gzip.compress(good(body)), "Content-Encoding: gzip\r\n")
    sock.sendall(BROKEN.get(sys.argv[1], zipped))
    sock.close()


serve_raw(reply)
