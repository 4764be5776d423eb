"""Django's PostgreSQL backend with time-outs on the client's side; see `base`."""
