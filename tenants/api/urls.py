"""The addresses of tenants, below `/api/v1/`."""

from django.urls import path

from tenants.api.usage import UsageView

urlpatterns = [path("usage", UsageView.as_view(), name="usage")]
