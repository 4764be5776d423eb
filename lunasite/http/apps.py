from django.apps import AppConfig


class HttpConfig(AppConfig):
    name = "lunasite.http"
    label = "http"
