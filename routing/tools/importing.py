"""Operations of an OpenAPI document made into rows."""

from collections.abc import Collection, Sequence

from django.core.exceptions import ValidationError
from django.db import transaction

from routing.tool_models import Tool
from routing.tools.openapi import OpenApiInvalid, Operation
from routing.tools.values import ToolKind
from tenants.audit import record_new
from tenants.services import touch_configuration


def chosen_of(
    operations: Sequence[Operation], names: Collection[str] | None
) -> tuple[list[Operation], list[Operation]]:
    """Those of `names`, or all that can be tools when None; and those that cannot.

    Raises OpenApiInvalid for a name that the document does not have.
    """
    broken = [operation for operation in operations if operation.fault]
    if names is None:
        return [operation for operation in operations if not operation.fault], broken
    known = {operation.name: operation for operation in operations}
    if unknown := [name for name in names if name not in known]:
        raise OpenApiInvalid(f"The document has no operation {unknown[0]}.")
    return [known[name] for name in dict.fromkeys(names)], broken


@transaction.atomic
def import_operations(
    *, operations: Sequence[Operation], secret: str = "", secret_header: str = ""
) -> list[Tool]:
    """A tool for each operation, in the tenant in scope; `secret` is sealed into each of them.

    Raises OpenApiInvalid that names the operation which cannot become a tool, or whose name is
    taken; then there is none of them.
    """
    rows = []
    for operation in operations:
        row = _row(operation, secret_header=secret_header)
        try:
            row.full_clean(exclude=["tenant"])
        except ValidationError as exc:
            raise OpenApiInvalid(f"{operation.name}: {' '.join(exc.messages)}") from exc
        if operation.fault:
            raise OpenApiInvalid(f"{operation.name}: {operation.fault}")
        if Tool.objects.filter(name=row.name).exists():
            raise OpenApiInvalid(f"There is a tool {row.name} already.")
        row.save()
        if secret:
            row.set_secret(secret)
            row.save(update_fields=["sealed_secret", "secret_hint"])
        record_new(row)
        rows.append(row)
    if rows:
        touch_configuration(rows[0].tenant_id)
    return rows


def _row(operation: Operation, *, secret_header: str) -> Tool:
    return Tool(
        name=operation.name,
        title=operation.title,
        description=operation.description,
        kind=ToolKind.HTTP,
        parameters=operation.parameters,
        risk=operation.risk,
        recovery=operation.recovery,
        method=operation.method,
        url=operation.url,
        places=operation.places,
        body_format=operation.body_format,
        secret_header=secret_header or "Authorization",
    )
