"""URLs of the inbox and of what is mailed."""

from django.urls import path

from submissions.notices import views

urlpatterns = [
    path("messages/", views.inbox, name="inbox"),
    path("messages/read/", views.read_all, name="messages_read"),
    path("messages/<int:number>/", views.message, name="message"),
    path("messages/<int:number>/unread/", views.unread, name="message_unread"),
    path("account/mails/", views.mails, name="mails"),
    path("unsubscribe/<str:secret>/", views.unsubscribe, name="unsubscribe"),
]
