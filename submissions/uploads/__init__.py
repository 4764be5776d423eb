"""Images on their way in: in one request, or in parts that can be resumed."""
