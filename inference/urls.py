"""The pages of inference, and the addresses older clients know."""

from django.urls import path, re_path

from inference import views_drift, views_feedback, views_review, views_try
from inference.api import LesionViewSet, SliceViewSet
from inference.api_feedback import FeedbackViewSet

# The same views as below /api/v1/, once in the schema.
lesion = LesionViewSet.as_view({"post": "create"}, schema=None)
slices = SliceViewSet.as_view({"post": "create"}, schema=None)
feedback = FeedbackViewSet.as_view({"post": "create"}, schema=None)

urlpatterns = [
    path("apitest/v1/predict/lesion", lesion, name="apitest_predict_lesion"),
    re_path(r"^predict/?$", slices, name="predict"),
    re_path(r"^feedback/?$", feedback, name="feedback"),
    path("try", views_try.try_it, name="try_it"),
    path("try/slice", views_try.try_slice, name="try_slice"),
    path("try/lesion", views_try.try_lesion, name="try_lesion"),
    path("try/feedback", views_feedback.feedback_form, name="feedback_form"),
    path("review", views_review.review, name="review"),
    path("review/<int:pk>", views_review.review_one, name="review_one"),
    path("review/<int:pk>/picture", views_review.review_picture, name="review_picture"),
    path("review/statistics", views_review.review_statistics, name="review_statistics"),
    path("review/export.csv", views_review.review_csv, name="review_csv"),
    path("review/export.zip", views_review.review_zip, name="review_zip"),
    path("drift", views_drift.drift_page, name="drift"),
]
