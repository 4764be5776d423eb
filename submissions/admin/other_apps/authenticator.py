"""Second factors: staff may remove a lost one, but never read its secret."""

from __future__ import annotations

from allauth.mfa.models import Authenticator
from django.contrib import admin

from submissions.admin.base import ReadOnly

# allauth's own page shows the stored secret to everyone with the view permission.
admin.site.unregister(Authenticator)


@admin.register(Authenticator)
class AuthenticatorAdmin(ReadOnly):
    list_display = ["user", "type", "created_at", "last_used_at"]
    list_filter = ["type", "created_at"]
    list_select_related = ["user"]
    search_fields = ["user__username", "=user__email"]  # the whole address: a part would be read letter by letter
    fields = ["user", "type", "created_at", "last_used_at"]
    has_delete_permission = admin.ModelAdmin.has_delete_permission
