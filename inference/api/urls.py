"""Addresses of the inference API, below /api/v1/."""

from django.urls import path

from inference.api.feedback import FeedbackViewSet
from inference.api.views import LesionViewSet, SliceViewSet

urlpatterns = [
    path("predict/lesion", LesionViewSet.as_view({"post": "create"}), name="api_predict_lesion"),
    path("predict/lesion/batch", LesionViewSet.as_view({"post": "batch"}), name="api_predict_lesion_batch"),
    path("predict/ct", SliceViewSet.as_view({"post": "create"}), name="api_predict_ct"),
    path("predict/ct/batch", SliceViewSet.as_view({"post": "batch"}), name="api_predict_ct_batch"),
    path("feedback", FeedbackViewSet.as_view({"post": "create"}), name="api_feedback"),
]
