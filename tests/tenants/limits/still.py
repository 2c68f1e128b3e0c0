"""The application, in a web process in which limits know no time, so that no unit comes back:
`uvicorn tests.tenants.limits.still:application`.
"""

from django.conf import settings

from orkesta.asgi import application
from orkesta.redis_door import RedisDoor
from tenants import rates
from tenants.limits import RedisLimitStore

__all__ = ["application"]

MICROSECOND = 1_763_674_000_000_000

_store = RedisLimitStore(RedisDoor(settings.REDIS_URL), clock=lambda: MICROSECOND)
vars(rates)["limit_store"] = lambda: _store
