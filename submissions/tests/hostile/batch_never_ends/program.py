import sys
import time

if "memory" in sys.argv:
    held = [bytearray(8 << 20) for _ in range(100)]
time.sleep(3600)
