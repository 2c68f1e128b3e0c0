"""The addresses of tenants, below `/api/v1/`."""

from django.urls import path

from tenants.api.keys import ApiKeyListView, ApiKeyRotationView, ApiKeyView, LeakedKeyView
from tenants.api.usage import UsageView

urlpatterns = [
    path("keys", ApiKeyListView.as_view(), name="keys"),
    path("keys/leaked", LeakedKeyView.as_view(), name="key-leaked"),
    path("keys/<uuid:key_id>", ApiKeyView.as_view(), name="key"),
    path("keys/<uuid:key_id>/rotate", ApiKeyRotationView.as_view(), name="key-rotate"),
    path("usage", UsageView.as_view(), name="usage"),
]
