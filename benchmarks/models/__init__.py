"""The inference side: the API against references, the model process, reading of scans, the models themselves."""
