import os
import sys

from serving import good, serve


def answer(body, number):
    if number == 3:
        os._exit(int(sys.argv[1]))
    return 200, good(body)


serve(answer)
