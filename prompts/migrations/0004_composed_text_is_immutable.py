"""What a version was composed with is published with it, and stays as it was, too.

SQLite lost the trigger of 0002 when 0003 rebuilt the table.
"""

from django.db import migrations

CHANGES = """
    OR NEW.source <> OLD.source
    OR NEW.composed <> OLD.composed
    OR NEW.variables <> OLD.variables
    OR NEW.number <> OLD.number
    OR NEW.prompt_id <> OLD.prompt_id
"""
SQLITE = f"""
CREATE TRIGGER prompts_version_is_immutable
BEFORE UPDATE ON prompts_promptversion
WHEN OLD.status <> 'draft' AND (NEW.status = 'draft' {CHANGES})
BEGIN
    SELECT RAISE(ABORT, 'a version that was published does not change');
END
"""
POSTGRES = f"""
DROP TRIGGER IF EXISTS prompts_version_is_immutable ON prompts_promptversion;
CREATE TRIGGER prompts_version_is_immutable
BEFORE UPDATE ON prompts_promptversion FOR EACH ROW
WHEN (OLD.status <> 'draft' AND (NEW.status = 'draft' {CHANGES}))
EXECUTE FUNCTION prompts_version_is_immutable()
"""


def up(apps, schema_editor):
    if schema_editor.connection.vendor == "sqlite":
        schema_editor.execute("DROP TRIGGER IF EXISTS prompts_version_is_immutable", params=None)
        schema_editor.execute(SQLITE, params=None)
    else:
        schema_editor.execute(POSTGRES, params=None)


class Migration(migrations.Migration):
    dependencies = [("prompts", "0003_blocks_and_labels")]
    # Going back, SQLite loses the trigger with the table again; 0002 says what it was.
    operations = [migrations.RunPython(up, migrations.RunPython.noop)]
