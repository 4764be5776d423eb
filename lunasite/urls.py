"""URL configuration of the site."""

from allauth.account.decorators import secure_admin_login
from django.contrib import admin
from django.urls import include, path, re_path

from lunasite.api_urls import api_urls
from lunasite.crawlers import crawler_urls
from lunasite.earlier_urls import earlier_urls
from lunasite.http import errors
from lunasite.monitoring.health import health, live, ready
from lunasite.monitoring.metrics.view import metrics
from lunasite.monitoring.status_page import status_page

admin.site.site_header = "lunasite administration"
admin.site.site_title = "lunasite"
admin.site.login = secure_admin_login(admin.site.login)  # type: ignore[method-assign]

urlpatterns = [
    path("admin/", admin.site.urls),
    path("accounts/", include("allauth.urls")),
    *earlier_urls,  # first: the page of the submissions shares its address with the API
    path("", include("submissions.urls")),
    path("", include("leaderboard.urls")),
    path("", include("inference.urls")),
    path("", include("lunasite.client.views")),
    path("", include("lunasite.cases.views")),
    path("", include("lunasite.starter_kit.views")),
    re_path(r"^live/?$", live, name="live"),
    re_path(r"^health/?$", health, name="health"),
    re_path(r"^ready/?$", ready, name="ready"),
    re_path(r"^status/?$", status_page, name="status"),
    re_path(r"^metrics/?$", metrics, name="metrics"),
    *crawler_urls,
    *api_urls,
]

handler400 = errors.bad_request
handler403 = errors.permission_denied
handler404 = errors.not_found
handler500 = errors.server_error
