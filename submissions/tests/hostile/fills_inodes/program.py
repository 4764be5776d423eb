from serving import serve

for number in range(20_000):
    try:
        open(f"/tmp/{number}", "w").close()
    except OSError:
        break
serve()
