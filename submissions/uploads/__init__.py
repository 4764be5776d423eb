"""Receive images: in one request, or in parts that can be resumed."""
