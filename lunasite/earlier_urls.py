"""Addresses that clients of earlier systems call: the views of /api/v1/, or the page for a browser.

They work with and without a trailing slash, because a redirect would lose the body of a POST. docs/api.md lists them,
each with one line of curl and one line of Python.
"""

from allauth.account.views import login
from django.urls import re_path

from leaderboard.api.views import BoardView
from leaderboard.views import asked_board_page
from lunasite.http.negotiation import page_or_json
from submissions.accounts.api import PlainTokenView, TokenView
from submissions.api.docker import DockerSubmissionView
from submissions.api.submissions import SubmissionViewSet
from submissions.web.views import submission_list

# The schema lists these views only once, below /api/v1/.
submissions = SubmissionViewSet.as_view({"get": "list", "post": "create"}, schema=None)
images = DockerSubmissionView.as_view(schema=None)
board = BoardView.as_view(schema=None)
token = TokenView.as_view(schema=None)
plain_token = PlainTokenView.as_view(schema=None)

earlier_urls = [
    re_path(r"^submissions/?$", page_or_json(submission_list, submissions), name="earlier_submissions"),
    re_path(r"^submissions/docker/?$", images, name="earlier_submit_docker"),
    re_path(r"^leaderboard/?$", page_or_json(asked_board_page, board), name="earlier_leaderboard"),
    re_path(r"^auth/login/?$", page_or_json(login, token), name="earlier_login"),
    re_path(r"^api-token-auth/?$", plain_token, name="api_token_auth"),
]
