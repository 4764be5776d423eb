import sys

from serving import serve

serve(host=sys.argv[1], port=int(sys.argv[2]))
