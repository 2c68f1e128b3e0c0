"""The planted bugs: each opens one wall, and names the tests that have to fall over it."""

from dataclasses import dataclass

Changes = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Mutant:
    """In `path`, each text of `changes` is replaced by the other, and so in files of `elsewhere`;
    `tests` should notice.
    """

    name: str
    path: str
    changes: Changes
    tests: tuple[str, ...]
    elsewhere: tuple[tuple[str, Changes], ...] = ()

    @property
    def edits(self) -> tuple[tuple[str, Changes], ...]:
        return ((self.path, self.changes), *self.elsewhere)


def _mutant(name: str, path: str, change: tuple[str, str], *tests: str) -> Mutant:
    return Mutant(name, path, (change,), tests)


_ALL_ROWS = """
    def get_queryset(self, request: HttpRequest) -> Any:
        return self.model._base_manager.all()
"""

MUTANTS = (
    _mutant(
        "the manager forgets the tenant",
        "tenants/scope.py",
        ('.get_queryset().filter(tenant_id=found["tenant"])', ".get_queryset()"),
        "tests/tenants/test_scope.py",
    ),
    _mutant(
        "a query without a scope runs",
        "tenants/scope.py",
        ("    get_compiler = _refuse\n", "    pass\n"),
        "tests/tenants/test_scope.py",
    ),
    _mutant(
        "a row may point to another tenant's row",
        "tenants/scope.py",
        ("        self._refuse_foreign_rows()\n", ""),
        "tests/tenants/test_scope.py",
    ),
    _mutant(
        "a save updates whatever row has the id",
        "tenants/scope.py",
        ("base_qs.filter(tenant_id=self.tenant_id), *args", "base_qs, *args"),
        "tests/tenants/test_scope.py",
    ),
    _mutant(
        "pages of the admin show all rows",
        "tenants/admin/model_admin.py",
        (
            "    is_configuration: ClassVar[bool] = True\n",
            f"    is_configuration: ClassVar[bool] = True\n{_ALL_ROWS}",
        ),
        "tests/guards/test_walls.py",
    ),
    _mutant(
        "any column can be asked for in a list's address",
        "tenants/admin/model_admin.py",
        ("return lookup in self._allowed_lookups()", "return True"),
        "tests/tenants/test_admin_leaks.py",
    ),
    _mutant(
        "a form shown in one tenant is saved in another",
        "tenants/admin/model_admin.py",
        ("or not is_form_of_other_tenant(request):", "or True:"),
        "tests/tenants/test_admin_two_tabs.py",
    ),
    _mutant(
        "every member may do what owners may",
        "tenants/admin_scope.py",
        ("role is not None and _RANKS[role] >= _RANKS[needed]", "role is not None"),
        "tests/tenants/test_admin_roles.py",
    ),
    _mutant(
        "whoever chose a tenant once stays in it",
        "tenants/admin_scope.py",
        ("    if chosen and person.is_superuser:\n", "    if chosen:\n"),
        "tests/tenants/test_admin_scope.py",
    ),
    _mutant(
        "sockets may be opened from any page",
        "tenants/websocket_auth.py",
        ("return origin in settings.ALLOWED_ORIGINS or origin in served_here", "return True"),
        "tests/tenants/test_websocket_auth.py",
    ),
    _mutant(
        "a ticket may be used twice",
        "tenants/tickets.py",
        ("self._grants.pop(name, (0.0, None))", "self._grants.get(name, (0.0, None))"),
        "tests/tenants/test_socket_tickets.py",
    ),
    _mutant(
        "a ticket opens any session",
        "tenants/websocket_auth.py",
        ("grant is None or grant.session_id != handshake.session_id", "grant is None"),
        "tests/conversations/test_websocket_tickets.py",
    ),
    _mutant(
        "sockets of other tenants may be opened",
        "tenants/websocket_auth.py",
        ("if principal.tenant_slug != handshake.tenant_slug:", "if False:"),
        "tests/conversations/test_websocket_door.py",
    ),
    _mutant(
        "from a socket any session's tasks can be cancelled",
        "conversations/consumers/incoming.py",
        ("if get_task(task_id).session_id != self.session_id:", "if False:"),
        "tests/conversations/test_websocket_tickets.py",
        "tests/conversations/test_websocket_frames.py",
    ),
    _mutant(
        "a key may do what it has no scope for",
        "tenants/authentication.py",
        ("if not principal.may(required[method]):", "if False:"),
        "tests/conversations/test_api_scopes.py",
    ),
    _mutant(
        "a mistyped key goes to the database",
        "tenants/keys.py",
        ("checksum(raw[:-CHECKSUM_LENGTH]), raw[-CHECKSUM_LENGTH:]", '"", ""'),
        "tests/tenants/test_key_form.py",
    ),
    _mutant(
        "an expired key opens",
        "tenants/key_models.py",
        ("self.expires_at is None or self.expires_at > timezone.now()", "True"),
        "tests/tenants/test_api_key_check.py",
    ),
    _mutant(
        "a revoked key is called expired, which tells its thief to wait",
        "tenants/authentication.py",
        ("    if key.revoked_at is not None:\n        raise KeyRevoked\n", ""),
        "tests/tenants/test_api_key_check.py",
    ),
    _mutant(
        "a socket outlives its key",
        "tenants/websocket_auth.py",
        (
            "    if error is not None:\n        raise error\n",
            "",
        ),
        "tests/tenants/test_socket_still_valid.py",
    ),
    _mutant(
        "an idempotency key answers another request",
        "tenants/idempotency.py",
        ("if record.fingerprint != fingerprint:", "if False:"),
        "tests/conversations/test_idempotency.py",
    ),
    _mutant(
        "one request more than the limit",
        "tenants/limits/gcra.py",
        (
            "tat=tat, now=now) - now - bucket.limit * bucket.interval)",
            "tat=tat, now=now) - now - (bucket.limit + 1) * bucket.interval)",
        ),
        "tests/tenants/limits/test_gcra.py",
    ),
    _mutant(
        "no budget ever ends",
        "tenants/usage/meter.py",
        ("for cap, gone, kept in pairs if cap is not None]", "for cap, gone, kept in pairs[:0]]"),
        "tests/tenants/usage/test_meter.py",
    ),
    _mutant(
        "a worker that was thought dead still writes",
        "conversations/engine/fence.py",
        (
            '        attempt=Param("attempt", IntegerField()),\n',
            "",
        ),
        "tests/conversations/test_claims.py",
        "tests/conversations/test_tool_recovery.py",
    ),
    Mutant(
        # Five walls stand between a worker that stood still and the rows, one behind the other: the
        # attempt, the status, one step per number, one answer per task, and the answer's own id.
        # Each of them alone keeps the promises; without all of them the judge of the storms has to
        # see an answer that was given twice.
        "no wall keeps out a worker that stood still",
        "conversations/engine/fence.py",
        (
            (
                '        attempt=Param("attempt", IntegerField()),\n'
                "        status=TaskStatus.PROCESSING,\n",
                "",
            ),
        ),
        ("tests/chaos/test_frozen.py",),
        elsewhere=(
            (
                "conversations/migrations/0001_initial.py",
                (
                    ("('task', 'number')", "('task', 'number', 'id')"),
                    ("fields=('task',)", "fields=('task', 'id')"),
                ),
            ),
            (
                "conversations/engine/facts.py",
                (
                    ("from uuid import UUID, uuid5", "from uuid import UUID, uuid4"),
                    ('uuid5(task_id, "answer")', "uuid4()"),
                ),
            ),
        ),
    ),
    _mutant(
        "outgoing calls reach this machine",
        "orkesta/outbound/addresses.py",
        ('    _openable("loopback", "127.0.0.0/8", "::1/128"),\n', ""),
        "tests/orkesta/outbound/test_addresses.py",
    ),
    _mutant(
        "any template runs",
        "prompts/rendering/gate.py",
        (
            "return sorted(gate.problems, key=lambda found: (found.line, found.column))",
            "return []",
        ),
        "tests/prompts/test_check_template.py",
    ),
    _mutant(
        "anybody may send what a webhook takes",
        "conversations/triggers/signing.py",
        ("Webhook(secret.reveal()).verify(body, found, json_parse=False)", "pass"),
        "tests/conversations/test_inbound_webhooks.py",
    ),
    _mutant(
        "a breaker never opens",
        "routing/breaker.py",
        ("if failures >= rules.failure_threshold:", "if False:"),
        "tests/routing/test_breaker.py",
    ),
    _mutant(
        "a secret can be read in another row",
        "orkesta/crypto.py",
        ('return f"{tenant}|{row._meta.label_lower}|{row.pk}|{field}"', 'return ""'),
        "tests/orkesta/test_crypto.py",
    ),
)
