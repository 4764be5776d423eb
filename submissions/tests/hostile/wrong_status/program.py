import sys

from serving import good, message, serve_raw


def reply(sock, body, number):
    sock.sendall(message(int(sys.argv[1]), good(body), "Location: http://127.0.0.1:9000/canary\r\n"))


serve_raw(reply)
