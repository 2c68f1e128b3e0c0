"""Settings of Orkesta. What varies between installations comes from `orkesta.env` alone."""

from urllib.parse import urlparse

from django.urls import reverse_lazy
from django.utils.translation import gettext_lazy as _

from orkesta import env
from orkesta.database_settings import database_settings
from orkesta.openapi_settings import OPENAPI
from orkesta.redaction import secrets_of_settings
from orkesta.unfold_settings import unfold_settings

ENV = env.read()
BASE_DIR = env.PROJECT_ROOT

# --- Secrets --------------------------------------------------------------------------------------
# Without keys of its own a process still starts, so that `check` can say what is missing (E001).
INSECURE_KEY = "insecure-development-key-never-use-it-with-real-data"
SECRET_KEY = ENV["ORCHESTRATOR_SECRET_KEY"] or INSECURE_KEY
ORKESTA_ENCRYPTION_KEYS = ENV["ORCHESTRATOR_ENCRYPTION_KEYS"] or [INSECURE_KEY]
ORKESTA_KEY_PEPPERS = ENV["ORCHESTRATOR_KEY_PEPPERS"] or [INSECURE_KEY]

DEBUG = ENV["ORCHESTRATOR_DEBUG"]
ALLOWED_HOSTS = ENV["ORCHESTRATOR_ALLOWED_HOSTS"]
ALLOWED_ORIGINS = ENV["ORCHESTRATOR_ALLOWED_ORIGINS"]

# --- Apps and middleware --------------------------------------------------------------------------
INSTALLED_APPS = [
    "orkesta.apps.DaphneConfig",
    # Not plain "unfold", which would put its own site in the place of ours.
    "unfold.apps.BasicAppConfig",
    "unfold.contrib.filters",
    "unfold.contrib.forms",
    "unfold.contrib.inlines",
    "unfold.contrib.simple_history",
    "orkesta.admin_site.OrkestaAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "axes",
    "channels",
    "corsheaders",
    "csp",
    "simple_history",
    "rest_framework",
    "django_filters",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "orkesta.apps.OrkestaConfig",
    "tenants",
    "prompts",
    "routing",
    "conversations",
]

MIDDLEWARE = [
    "orkesta.middleware.RequestIdMiddleware",
    "orkesta.api.middleware.ProblemMiddleware",
    "orkesta.anonymous_doors.AnonymousDoorMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "corsheaders.middleware.CorsMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "axes.middleware.AxesMiddleware",
    "tenants.middleware.TenantMiddleware",
]

ROOT_URLCONF = "orkesta.urls"
ASGI_APPLICATION = "orkesta.asgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]

# --- Storage --------------------------------------------------------------------------------------
DATABASES = {"default": database_settings(ENV["DATABASE_URL"], root=BASE_DIR)}
IS_SQLITE = DATABASES["default"]["ENGINE"] == "orkesta.sqlite"
ORKESTA_DATABASE_THREADS = ENV["ORCHESTRATOR_DATABASE_THREADS"]
ORKESTA_REQUEST_THREADS = ENV["ORCHESTRATOR_REQUEST_THREADS"]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

REDIS_URL = ENV["REDIS_URL"]
if not REDIS_URL and ENV["ORCHESTRATOR_REDIS_HOST"]:
    REDIS_URL = f"redis://{ENV['ORCHESTRATOR_REDIS_HOST']}:{ENV['ORCHESTRATOR_REDIS_PORT']}/0"

if REDIS_URL:
    # PubSub, not the core layer: the core layer drops every socket on a Redis restart, and
    # redis-py 8 kills its idle sockets after 5 s unless the timeout is off.
    CHANNEL_LAYERS = {
        "default": {
            "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
            "CONFIG": {
                "hosts": [{"address": REDIS_URL, "socket_timeout": None}],
                "prefix": "orkesta",
            },
        }
    }
else:
    CHANNEL_LAYERS = {
        "default": {"BACKEND": "channels.layers.InMemoryChannelLayer", "CONFIG": {"capacity": 1000}}
    }
_IN_PROCESS = "django.core.cache.backends.locmem.LocMemCache"
CACHES = {
    "default": {"BACKEND": _IN_PROCESS},
    # One process may count for itself; of several, each would let through the whole limit.
    "doors": {"BACKEND": "orkesta.door_cache.DoorCache" if REDIS_URL else _IN_PROCESS},
}

# --- Who is who -----------------------------------------------------------------------------------
AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",
    "django.contrib.auth.backends.ModelBackend",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LOGIN_URL = reverse_lazy("admin:login")
LOGIN_REDIRECT_URL = reverse_lazy("admin:index")
AXES_FAILURE_LIMIT = 10
AXES_COOLOFF_TIME = 0.25  # hours
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_VERBOSE = False
AXES_ENABLE_ADMIN = False
AXES_CLIENT_IP_CALLABLE = "orkesta.client_address.client_address"

# Who calls where no key is asked for. `django_ratelimit` is no installed app: its check of caches
# knows neither our cache nor that one process may count in its memory.
ORKESTA_TRUSTED_PROXIES = ENV["ORCHESTRATOR_TRUSTED_PROXIES"]
ORKESTA_HOOK_CALLS_PER_MINUTE = ENV["ORCHESTRATOR_HOOK_CALLS_PER_MINUTE"]
ORKESTA_LOGINS_PER_MINUTE = ENV["ORCHESTRATOR_LOGINS_PER_MINUTE"]
ORKESTA_SCHEMA_CALLS_PER_MINUTE = 60
ORKESTA_LEAK_REPORTS_PER_MINUTE = ENV["ORCHESTRATOR_LEAK_REPORTS_PER_MINUTE"]
ORKESTA_KEY_LIFETIME_DAYS = ENV["ORCHESTRATOR_KEY_LIFETIME_DAYS"]
RATELIMIT_USE_CACHE = "doors"
RATELIMIT_IP_META_KEY = "orkesta.client_address.client_address"
# A counter that vanished turns nobody away.
RATELIMIT_FAIL_OPEN = True
if ORKESTA_TRUSTED_PROXIES:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")

SESSION_COOKIE_AGE = 8 * 3600
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = not DEBUG
if not DEBUG:
    # Browsers take cookies of these names only from this very host, over TLS, for all of it.
    SESSION_COOKIE_NAME, CSRF_COOKIE_NAME = "__Host-sessionid", "__Host-csrftoken"
    # Said over TLS alone, so that it does no harm where there is none.
    SECURE_HSTS_SECONDS = 365 * 24 * 3600
#: The proxy that ends TLS also redirects to it (W008), and whether subdomains have TLS (W005) and
#: browsers are to be told so for good (W021) is known only to who owns the domain.
SILENCED_SYSTEM_CHECKS = ["security.W005", "security.W008", "security.W021"]
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"

CORS_ALLOWED_ORIGINS = [o for o in ALLOWED_ORIGINS if urlparse(o).scheme]
CORS_URLS_REGEX = r"^/api/.*$"
CORS_ALLOW_HEADERS = ["authorization", "content-type", "last-event-id", "x-api-key", "x-request-id"]
CORS_EXPOSE_HEADERS = [
    "deprecation",
    "location",
    "ratelimit",
    "ratelimit-policy",
    "retry-after",
    "sunset",
    "x-request-id",
]
CSRF_TRUSTED_ORIGINS = CORS_ALLOWED_ORIGINS
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": ["'none'"],
        "script-src": ["'self'"],
        "style-src": ["'self'", "'unsafe-inline'"],
        "img-src": ["'self'", "data:"],
        "font-src": ["'self'"],
        "connect-src": ["'self'"],
        "frame-ancestors": ["'none'"],
        "form-action": ["'self'"],
        "base-uri": ["'none'"],
    }
}

# --- Language, files ------------------------------------------------------------------------------
LANGUAGE_CODE = ENV["ORCHESTRATOR_LANGUAGE"]
LANGUAGES = [("es", _("Spanish")), ("en", _("English"))]
# Ours, and what django-unfold says but does not translate.
LOCALE_PATHS = [BASE_DIR / "locale", BASE_DIR / "locale" / "unfold"]
TIME_ZONE = ENV["ORCHESTRATOR_TIME_ZONE"]
USE_I18N = USE_TZ = True
STATIC_URL = "static/"
STATICFILES_DIRS = [BASE_DIR / "static"]
STATIC_ROOT = BASE_DIR / "static-collected"
WHITENOISE_USE_FINDERS = True
DATA_UPLOAD_MAX_MEMORY_SIZE = ENV["ORCHESTRATOR_MAX_BODY_BYTES"]

# --- The API --------------------------------------------------------------------------------------
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["tenants.authentication.ApiKeyAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["tenants.authentication.HasScope"],
    "DEFAULT_PARSER_CLASSES": ["orkesta.api.StrictJsonParser"],
    "DEFAULT_RENDERER_CLASSES": ["orkesta.api.JsonRenderer"],
    "DEFAULT_PAGINATION_CLASS": "orkesta.api.CursorPages",
    "DEFAULT_SCHEMA_CLASS": "orkesta.api.openapi.ScopedSchema",
    "EXCEPTION_HANDLER": "orkesta.api.exception_handler",
    "UNAUTHENTICATED_USER": None,
    "UNAUTHENTICATED_TOKEN": None,
}
SPECTACULAR_SETTINGS = OPENAPI

# --- Orkesta's own --------------------------------------------------------------------------------
ORKESTA_HOOK_PRINCIPAL = "conversations.triggers.inbound.find_principal"
#: Who tells tenants' other systems of their money and keys.
ORKESTA_NOTICES = "conversations.triggers.notices.tell"
#: The addresses of WebSockets, for whoever asks all of them.
ORKESTA_SOCKETS = "orkesta.asgi.sockets"
#: How much of a limit is used today, for tenants' pages; the rows live in storeys above.
ORKESTA_GAUGES = {
    "requests_per_minute": "conversations.gauges.busiest_minute",
    "requests_per_minute_per_key": "conversations.gauges.busiest_minute_of_a_key",
    "requests_per_minute_per_session": "conversations.gauges.busiest_minute_of_a_session",
    "requests_per_session": "conversations.gauges.longest_session",
    "max_concurrent_tasks": "conversations.gauges.running_tasks",
    "max_sockets": "conversations.gauges.open_sockets",
    "max_sockets_per_user": "conversations.gauges.most_sockets_of_a_user",
    "max_agents": "routing.gauges.agents",
    "tokens_per_month": "tenants.usage.gauges.tokens",
    "money_per_month": "tenants.usage.gauges.money",
    "retention_days": "conversations.gauges.days_kept",
    "features": "conversations.gauges.features_in_use",
    "allowed_llms": "routing.gauges.llms_in_use",
}
ORKESTA_MAX_BODY_BYTES = ENV["ORCHESTRATOR_MAX_BODY_BYTES"]
ORKESTA_MAX_MESSAGE_CHARS = ENV["ORCHESTRATOR_MAX_MESSAGE_CHARS"]
ORKESTA_MAX_REQUESTS_PER_SESSION = ENV["ORCHESTRATOR_MAX_REQUESTS_PER_SESSION"]
ORKESTA_INPUT_HOURS = ENV["ORCHESTRATOR_INPUT_HOURS"]
ORKESTA_SESSION_TTL_HOURS = ENV["ORCHESTRATOR_SESSION_TTL_HOURS"]
ORKESTA_PING_INTERVAL_SECONDS = ENV["ORCHESTRATOR_WEBSOCKET_PING_INTERVAL"]
ORKESTA_PING_TIMEOUT_SECONDS = ENV["ORCHESTRATOR_WEBSOCKET_PING_TIMEOUT"]
ORKESTA_MAX_SOCKETS = ENV["ORCHESTRATOR_MAX_WEBSOCKET_CONNECTIONS"]
ORKESTA_WORKER_SLEEP_SECONDS = ENV["ORCHESTRATOR_WORKER_SLEEP_SECONDS"]
ORKESTA_WORKER_CONCURRENCY = ENV["ORCHESTRATOR_WORKER_CONCURRENCY"]
ORKESTA_LEASE_SECONDS = ENV["ORCHESTRATOR_LEASE_SECONDS"]
ORKESTA_LEASE_RENEW_SECONDS = ENV["ORCHESTRATOR_LEASE_RENEW_SECONDS"]
ORKESTA_DELTA_FRAME_SECONDS = ENV["ORCHESTRATOR_DELTA_FRAME_MS"] / 1000
ORKESTA_FAILPOINT = ENV["ORKESTA_FAILPOINT"] if ENV["ORCHESTRATOR_DEBUG_FAILPOINTS"] else ""
ORKESTA_ALLOW_PRIVATE_UPSTREAMS = ENV["ORCHESTRATOR_ALLOW_PRIVATE_UPSTREAMS"] or DEBUG
ORKESTA_UPSTREAM_HOSTS = ENV["ORCHESTRATOR_UPSTREAM_HOSTS"]
ORKESTA_MCP_COMMANDS = env.whole_commands(ENV["ORCHESTRATOR_MCP_COMMANDS"])
ORKESTA_OFFLINE_TOKEN_DELAY_SECONDS = ENV["ORCHESTRATOR_OFFLINE_TOKEN_DELAY_MS"] / 1000
ORKESTA_WEB_PROCESSES = ENV["ORCHESTRATOR_WEB_PROCESSES"]
ORKESTA_ASSUMED_PRICE = ENV["ORCHESTRATOR_ASSUMED_PRICE"]
ORKESTA_OPENAI = {
    "api_key": ENV["OPENAI_API_KEY"],
    "base_url": ENV["OPENAI_BASE_URL"],
    "model": ENV["OPENAI_MODEL"],
}
ORKESTA_LISTEN = (ENV["HOST"], ENV["PORT"])

# They must not be in a log, whoever writes it.
secrets_of_settings(
    [SECRET_KEY, *ORKESTA_ENCRYPTION_KEYS, *ORKESTA_KEY_PEPPERS, ENV["OPENAI_API_KEY"]],
    [ENV["DATABASE_URL"], REDIS_URL],
)

UNFOLD = unfold_settings()

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "orkesta": {"()": "orkesta.telemetry.LogFormatter", "kind": ENV["ORCHESTRATOR_LOG_FORMAT"]}
    },
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "orkesta"}},
    "root": {"handlers": ["stderr"], "level": ENV["ORCHESTRATOR_LOG_LEVEL"]},
    "loggers": {
        # Django gives it a handler of its own while debugging: every line would stand there twice.
        "django": {"handlers": [], "level": "NOTSET"},
        # These write full URLs, query strings included, at INFO.
        "httpx2": {"level": "WARNING"},
        "httpcore2": {"level": "WARNING"},
        "daphne": {"level": "WARNING"},
        # The two loggers of the MCP client repeat what servers send, word for word.
        "client": {"level": "CRITICAL"},
        "mcp": {"level": "CRITICAL"},
        "django.channels.server": {"level": "WARNING"},
    },
}
