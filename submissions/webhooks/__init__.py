"""Webhooks: signed POSTs to an address of a person or team, guarded against server-side request forgery."""
