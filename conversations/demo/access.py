"""Who may enter the demo tenants: logins, API keys and a token, derived from the secret key.

Derived, not stored: `make run` can show a working login and key at every start, and a copy of the
database gives neither away. Another `ORCHESTRATOR_SECRET_KEY` gives other ones.
"""

from dataclasses import dataclass
from typing import Final

from django.conf import settings
from django.contrib.auth.hashers import identify_hasher, make_password
from django.contrib.auth.models import User
from django.utils.crypto import salted_hmac

from conversations.demo.content import read_content
from tenants.keys import ALPHABET, KID_LENGTH, SECRET_LENGTH, NewKey, is_genuine, key_from_parts
from tenants.models import ApiKey, Membership, Tenant
from tenants.principals import Scope
from tenants.scope import tenant_scope
from tenants.services import issue_api_key

#: Sees every tenant; exists in development only.
OPERATOR: Final = "operator"
SALT_LENGTH: Final = 24
KEY_NAME: Final = "Demo"
MAX_KEYS: Final = 100
#: Without the letters and digits that are mistaken for one another.
CLEAR_DIGITS: Final = "abcdefghjkmnpqrstuvwxyz23456789"
NUM_GROUPS: Final = 3
GROUP_LENGTH: Final = 4


@dataclass(frozen=True, slots=True)
class DemoAccess:
    """How to enter one demo tenant, by the front door and by the API."""

    tenant: str
    username: str
    password: str
    api_key: str


def find_access(slug: str) -> DemoAccess | None:
    """How to enter the demo tenant `slug`; None when it was not seeded with this secret key."""
    tenant = Tenant.objects.filter(slug=slug, is_active=True).first()
    if tenant is None:
        return None
    with tenant_scope(tenant.id):
        key = next((new for new, row in _keys(slug) if row and _opens(new, row)), None)
    if key is None:
        return None
    owner = read_content(slug).owner
    return DemoAccess(slug, owner, password_of(owner), key.plain)


def ensure_access(tenant: Tenant, username: str) -> None:
    """Let `username` sign in as owner of the tenant, and let there be a key that works. Whatever
    of it was lost, revoked or changed is put back. Needs the tenant's scope.
    """
    user = ensure_user(username)
    Membership.objects.get_or_create(user=user, defaults={"role": Membership.Role.OWNER})
    for new, row in _keys(tenant.slug):
        if row is None:
            issue_api_key(tenant=tenant, name=KEY_NAME, scopes=Scope, is_live=False, new=new)
            return
        if _opens(new, row):
            return


def ensure_user(username: str, *, is_superuser: bool = False) -> User:
    """A person of the staff who signs in with the derived password."""
    user, _ = User.objects.get_or_create(username=username)
    user.is_active = user.is_staff = True
    user.is_superuser = is_superuser
    salt = _derive(f"salt {username}", ALPHABET, SALT_LENGTH)
    if _salt_of(user) != salt:
        user.password = make_password(password_of(username), salt=salt)
    user.save()
    return user


def _salt_of(user: User) -> str:
    """The salt of a password tells whose doing it is: people's own have random ones. Verifying
    the password instead would cost a third of a second at every start.
    """
    try:
        return str(identify_hasher(user.password).decode(user.password)["salt"])
    except ValueError:
        return ""


def password_of(username: str) -> str:
    """Such as `k7mq-2xpa-9wdt`: 59 bits."""
    digits = _derive(f"password {username}", CLEAR_DIGITS, NUM_GROUPS * GROUP_LENGTH)
    starts = range(0, len(digits), GROUP_LENGTH)
    return "-".join(digits[start : start + GROUP_LENGTH] for start in starts)


def shop_token() -> str:
    """What the demo's MCP server asks for."""
    return _derive("token of the shop", ALPHABET, SECRET_LENGTH)


def _keys(slug: str) -> list[tuple[NewKey, ApiKey | None]]:
    """The tenant's demo keys, oldest first, each with its row; the last has none yet. A key that
    was revoked stays revoked: the next one takes its place.
    """
    found: list[tuple[NewKey, ApiKey | None]] = []
    for number in range(MAX_KEYS):
        new = key_from_parts(
            _derive(f"kid {slug} {number}", ALPHABET, KID_LENGTH),
            _derive(f"secret {slug} {number}", ALPHABET, SECRET_LENGTH),
            is_live=False,
        )
        row = ApiKey.objects.filter(kid=new.kid).first()
        found.append((new, row))
        if row is None:
            break
    return found


def _opens(new: NewKey, row: ApiKey) -> bool:
    return row.is_usable and is_genuine(
        new.plain,
        stored=row.digest,
        pepper_fingerprint=row.pepper_fingerprint,
        peppers=settings.ORKESTA_KEY_PEPPERS,
    )


def _derive(purpose: str, alphabet: str, length: int) -> str:
    """`length` digits of `alphabet`, from at most 256 bits that only this installation can make."""
    seed = salted_hmac("orkesta.demo", purpose, algorithm="sha256").digest()
    number = int.from_bytes(seed, "big")
    digits = []
    for _ in range(length):
        number, rest = divmod(number, len(alphabet))
        digits.append(alphabet[rest])
    return "".join(digits)
