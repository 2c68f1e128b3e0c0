"""What can go wrong with triggers.

* OrkestaError
  + NotFound
    - ScheduleNotFound, WebhookNotFound, DeliveryNotFound    not_found
  + Unauthenticated
    - SignatureInvalid                  signature_invalid
"""

from orkesta.errors import NotFound, Unauthenticated


class ScheduleNotFound(NotFound):
    """There is no such schedule."""


class WebhookNotFound(NotFound):
    """There is no such webhook."""


class DeliveryNotFound(NotFound):
    """There is no such delivery."""


class SignatureInvalid(Unauthenticated):
    """The request is not signed with this webhook's secret, or was signed too long ago."""

    code = "signature_invalid"
