"""Check uploads before anything opens them. Framework-free: no Django, no engine, no settings."""
