import sys

with open(sys.argv[1] + "/big", "wb") as file:
    for _ in range(4000):
        file.write(bytes(1 << 20))
