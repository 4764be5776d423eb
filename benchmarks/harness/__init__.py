"""What the benchmarks share: rounds and medians, results, servers, scans, load, a filled board."""
