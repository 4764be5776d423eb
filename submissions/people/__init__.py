"""A person's own data: the profile, the export (GDPR 20) and closing the account (GDPR 17)."""
