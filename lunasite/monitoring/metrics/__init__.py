"""Prometheus metrics at /metrics."""
