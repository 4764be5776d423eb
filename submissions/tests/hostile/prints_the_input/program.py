from serving import message, serve_raw


def reply(sock, body, number):
    print(body, flush=True)
    sock.sendall(message(500, body[:4000], f"X-Leak: {body[-200:].hex()}\r\n"))


serve_raw(reply)
