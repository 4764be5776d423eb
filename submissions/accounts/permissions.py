"""Permissions of a person in one query: Django's own backend takes one for the person's, and one for the groups'."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import Permission
from django.core.exceptions import PermissionDenied


class OneQueryPermissions:
    """Answers before the backends that sign people in, and for them: what is not held here is held nowhere.

    It signs nobody in, and so has no `get_user`: a session names a backend that has.
    """

    def authenticate(self, request: Any, **credentials: Any) -> None:
        return None

    def has_perm(self, user_obj: Any, perm: str, obj: Any = None) -> bool:
        """Return whether the permission is held. Raises PermissionDenied, which ends the question, where it is not."""
        if obj is None and user_obj.is_active and perm in self.get_all_permissions(user_obj):
            return True
        raise PermissionDenied

    def get_all_permissions(self, user_obj: Any, obj: Any = None) -> set[str]:
        if not user_obj.is_active or user_obj.is_anonymous or obj is not None:
            return set()
        if "_permissions" not in vars(user_obj):  # as long as Django's own backend remembers them
            own = Permission.objects.filter(user=user_obj).order_by()
            of_groups = Permission.objects.filter(group__user=user_obj).order_by()
            names = ("content_type__app_label", "codename")
            held = own.values_list(*names).union(of_groups.values_list(*names))
            user_obj._permissions = {f"{app}.{name}" for app, name in held}
        permissions: set[str] = user_obj._permissions
        return permissions

    def has_module_perms(self, user_obj: Any, app_label: str) -> bool:
        if any(name.startswith(f"{app_label}.") for name in self.get_all_permissions(user_obj)):
            return True
        raise PermissionDenied
