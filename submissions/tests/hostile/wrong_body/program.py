import sys

from serving import serve

text = "[" * 100_000 if sys.argv[1] == "DEEP" else sys.argv[1]
serve(lambda body, number: (200, text.encode()))
