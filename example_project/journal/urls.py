"""Addresses of the journal. They hold numbers only: what somebody wrote, looks for or feels ends in no server log."""

from __future__ import annotations

from django.urls import path

from . import views

app_name = "journal"
urlpatterns = [
    path("", views.entry_list, name="list"),
    path("search/", views.search, name="search"),
    path("overview/", views.overview, name="overview"),
    path("write/", views.write, name="write"),
    path("entries/<int:pk>/", views.detail, name="detail"),
    path("entries/<int:pk>/state/", views.state, name="state"),
    path("entries/<int:pk>/edit/", views.edit, name="edit"),
    path("entries/<int:pk>/delete/", views.delete, name="delete"),
    path("entries/<int:pk>/retry/", views.retry, name="retry"),
    path("about/<int:insight_pk>/", views.about, name="about"),
]
