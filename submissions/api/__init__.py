"""The JSON API of submissions; each serializer sits beside its views."""
