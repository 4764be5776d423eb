"""URLs of the site's own pages."""

from django.urls import path, register_converter

from submissions.editing import site_pages
from submissions.models import SitePage


class SitePageName:
    """One of the names of the site's own pages, which stand at the top: /terms/."""

    regex = "|".join(SitePage.Name.values)

    def to_python(self, value: str) -> str:
        return value

    def to_url(self, value: str) -> str:
        return value


register_converter(SitePageName, "site_page")

urlpatterns = [
    path("<site_page:name>/", site_pages.show, name="site_page"),
    path("<site_page:name>/edit/", site_pages.edit, name="site_page_edit"),
    path("<site_page:name>/edit/versions/", site_pages.versions, name="site_page_versions"),
    path("<site_page:name>/edit/versions/<int:number>/", site_pages.version, name="site_page_version"),
]
