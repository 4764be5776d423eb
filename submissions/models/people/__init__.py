"""What a person says of themselves."""

from submissions.models.people.profile import Profile

__all__ = ["Profile"]
