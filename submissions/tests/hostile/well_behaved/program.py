import sys

from serving import field, good, message, serve_raw

how = sys.argv[1] if len(sys.argv) > 1 else ""


def reply(sock, body, number):
    answer = good(body)
    if how == "list":
        answer = b'[0, {"p": 0.25}]'
    if how == "chunked":
        sock.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n" + answer[:5] + b"\r\n")
        sock.sendall(b"%x;ext=1\r\n" % len(answer[5:]) + answer[5:] + b"\r\n0\r\nX: y\r\n\r\n")
    elif how == "http10":
        sock.sendall(b"HTTP/1.0 200 OK\r\n\r\n" + answer)
        sock.close()
    else:
        sock.sendall(message(200, answer, "Connection: close\r\n" if how == "close" else ""))
        if how == "close":
            sock.close()


assert field
serve_raw(reply)
