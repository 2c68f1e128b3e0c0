from jsonschema import Draft202012Validator

from routing.snapshot import get_snapshot
from routing.supervisor import decision_schema
from tenants.scope import tenant_scope
from tests.cast import House


def test_the_schema_of_a_decision_is_itself_valid(acme: House) -> None:
    with tenant_scope(acme.id):
        schema = decision_schema(get_snapshot(acme.id, acme.tenant.config_version))
    Draft202012Validator.check_schema(schema)
    assert schema["properties"]["agent_name"]["enum"] == ["desk", "sales", None]
