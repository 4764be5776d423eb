from django.apps import AppConfig
from django.db.backends.signals import connection_created


class HttpConfig(AppConfig):
    name = "lunasite.http"
    label = "http"

    def ready(self) -> None:
        from lunasite.http.page_cache.content_version import watch_connection

        connection_created.connect(watch_connection, dispatch_uid="page_cache")
