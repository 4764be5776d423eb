open("/hostile/cache.bin", "w").write("x")
