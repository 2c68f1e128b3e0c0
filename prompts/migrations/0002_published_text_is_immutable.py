"""What was published is what customers were told: the database keeps it as it was."""

from django.db import migrations

SQLITE_UP = """
CREATE TRIGGER prompts_version_is_immutable
BEFORE UPDATE ON prompts_promptversion
WHEN OLD.status <> 'draft' AND (
    NEW.status = 'draft'
    OR NEW.source <> OLD.source
    OR NEW.number <> OLD.number
    OR NEW.prompt_id <> OLD.prompt_id
)
BEGIN
    SELECT RAISE(ABORT, 'a version that was published does not change');
END
"""
SQLITE_DOWN = "DROP TRIGGER IF EXISTS prompts_version_is_immutable"

POSTGRES_UP = """
CREATE FUNCTION prompts_version_is_immutable() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'a version that was published does not change'
        USING ERRCODE = 'integrity_constraint_violation';
END $$;
CREATE TRIGGER prompts_version_is_immutable
BEFORE UPDATE ON prompts_promptversion FOR EACH ROW
WHEN (OLD.status <> 'draft' AND (
    NEW.status = 'draft'
    OR NEW.source <> OLD.source
    OR NEW.number <> OLD.number
    OR NEW.prompt_id <> OLD.prompt_id
))
EXECUTE FUNCTION prompts_version_is_immutable()
"""
POSTGRES_DOWN = """
DROP TRIGGER IF EXISTS prompts_version_is_immutable ON prompts_promptversion;
DROP FUNCTION IF EXISTS prompts_version_is_immutable()
"""


def up(apps, schema_editor):
    is_sqlite = schema_editor.connection.vendor == "sqlite"
    schema_editor.execute(SQLITE_UP if is_sqlite else POSTGRES_UP, params=None)


def down(apps, schema_editor):
    is_sqlite = schema_editor.connection.vendor == "sqlite"
    schema_editor.execute(SQLITE_DOWN if is_sqlite else POSTGRES_DOWN, params=None)


class Migration(migrations.Migration):
    dependencies = [("prompts", "0001_initial")]
    operations = [migrations.RunPython(up, down)]
