from serving import serve

held = []
try:
    while len(held) < 100_000:
        held.append(open("/dev/null"))
except OSError:
    assert len(held) < 4096
    del held[-100:]
serve()
