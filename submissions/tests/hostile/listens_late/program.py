import sys
import time

from serving import serve

time.sleep(float(sys.argv[1]))
serve()
