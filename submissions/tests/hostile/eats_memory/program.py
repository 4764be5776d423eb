import subprocess
import sys

from serving import good, serve

EAT = "b = [bytearray(8 << 20) for _ in range(100)]"
when = sys.argv[1]


def answer(body, number):
    if when == "case" and number == 3:
        exec(EAT)
    if when == "child":
        subprocess.run([sys.executable, "-c", EAT])
        return 500, b""
    if when == "silent_child" and number == 1:
        subprocess.run([sys.executable, "-c", EAT])
    return 200, good(body)


if when == "start":
    exec(EAT)
serve(answer)
