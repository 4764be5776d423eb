"""URLs of the webhooks."""

from django.urls import path

from submissions.webhooks import views

urlpatterns = [
    path("webhooks/", views.webhooks, name="webhooks"),
    path("webhooks/<int:number>/", views.deliveries, name="webhook_deliveries"),
    path("webhooks/<int:number>/switch/", views.switch, name="webhook_switch"),
    path("webhooks/<int:number>/delete/", views.delete, name="webhook_delete"),
    path("webhooks/<int:number>/test/", views.test, name="webhook_test"),
    path("webhooks/<int:number>/deliveries/<uuid:delivery>/", views.send_again, name="webhook_resend"),
]
