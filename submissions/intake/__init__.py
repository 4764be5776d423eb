"""Upload validation, before anything opens an upload. Framework-free: no Django, no engine, no settings."""
