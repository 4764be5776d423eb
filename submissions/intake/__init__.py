"""Check uploads before anything opens them. PURE: knows no Django, no engine, no settings."""
