"""URLs of challenges, of their news and of the search."""

from django.urls import path

from lunasite.http.limits.only_reading import only_reading
from submissions.challenges import editing, feeds, search, views

PLACE = "challenges/<slug:slug>/"

urlpatterns = [
    path("search", search.search, name="search"),
    path("news.atom", only_reading(feeds.SiteFeed()), name="news_feed"),
    path(PLACE, views.overview, name="challenge"),
    path(f"{PLACE}rules/", views.rules, name="challenge_rules"),
    path(f"{PLACE}news/", views.news, name="challenge_news"),
    path(f"{PLACE}news.atom", only_reading(feeds.ChallengeFeed()), name="challenge_feed"),
    path(f"{PLACE}news/write/", editing.write_news, name="challenge_news_write"),
    path(f"{PLACE}news/<int:number>/", views.news_post, name="challenge_news_post"),
    path(f"{PLACE}news/<int:number>/edit/", editing.edit_news, name="challenge_news_edit"),
    path(f"{PLACE}submit/", views.submit, name="challenge_submit"),
    path(f"{PLACE}leaderboard/", views.boards, name="challenge_boards"),
    path(f"{PLACE}images/", editing.pictures, name="challenge_pictures"),
    path(f"{PLACE}images/<str:name>", views.image, name="challenge_image"),
    path(f"{PLACE}edit/<slug:name>/", editing.edit_text, name="challenge_edit"),
    path(f"{PLACE}edit/<slug:name>/versions/", editing.text_versions, name="challenge_versions"),
    path(f"{PLACE}edit/<slug:name>/versions/<int:number>/", editing.text_version, name="challenge_version"),
]
