"""URLs of the account page; sign-in and sign-up belong to allauth, below /accounts/."""

from django.urls import path

from submissions.accounts import views as account_views

urlpatterns = [
    path("account/", account_views.account, name="account"),
    path("account/tokens/", account_views.make_token, name="token_create"),
    path("account/tokens/<str:token_key>/revoke/", account_views.revoke_token, name="token_revoke"),
]
