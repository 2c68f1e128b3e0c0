"""Settings of the test run: those of the product, with an environment nobody's shell can change."""

import os
import tempfile

from orkesta.env import VARIABLES

for variable in VARIABLES:
    default = variable.default
    os.environ[variable.name] = ",".join(default) if variable.kind == "list" else str(default)
os.environ |= {
    "ORCHESTRATOR_SECRET_KEY": "test-secret-key-that-is-long-enough-to-be-one",
    "ORCHESTRATOR_ENCRYPTION_KEYS": "test-encryption-key-that-is-long-enough-to-be-one",
    "ORCHESTRATOR_KEY_PEPPERS": "test-pepper-that-is-long-enough-to-be-one",
    "ORCHESTRATOR_ALLOWED_HOSTS": "testserver,127.0.0.1,localhost",
    "ORCHESTRATOR_OFFLINE_TOKEN_DELAY_MS": "0",
    "DATABASE_URL": os.environ.get("TEST_ORKESTA_DATABASE_URL", "sqlite:///var/tests.sqlite3"),
}

from orkesta.settings import *  # noqa: E402, F403

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]

if IS_SQLITE:  # noqa: F405 - a file of its own, so that several runs do not meet
    name = f"orkesta-tests-{os.getpid()}.sqlite3"
    DATABASES["default"]["TEST"] = {"NAME": os.path.join(tempfile.gettempdir(), name)}  # noqa: F405

# Nothing is collected here, and WhiteNoise warns of a folder that is missing.
STATIC_ROOT = None
