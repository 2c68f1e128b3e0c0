"""What tasks of other types are told is published with a version, and stays as it was, too.

SQLite makes the table anew for the column, without its trigger.
"""

from django.db import migrations, models

BEFORE = """
    OR NEW.source <> OLD.source
    OR NEW.composed <> OLD.composed
    OR NEW.variables <> OLD.variables
    OR NEW.number <> OLD.number
    OR NEW.prompt_id <> OLD.prompt_id
"""
CHANGES = f"{BEFORE} OR NEW.variants <> OLD.variants"
DROP = "DROP TRIGGER IF EXISTS prompts_version_is_immutable"
SQLITE = f"""
CREATE TRIGGER prompts_version_is_immutable
BEFORE UPDATE ON prompts_promptversion
WHEN OLD.status <> 'draft' AND (NEW.status = 'draft' {CHANGES})
BEGIN
    SELECT RAISE(ABORT, 'a version that was published does not change');
END
"""
POSTGRES = """
DROP TRIGGER IF EXISTS prompts_version_is_immutable ON prompts_promptversion;
CREATE TRIGGER prompts_version_is_immutable
BEFORE UPDATE ON prompts_promptversion FOR EACH ROW
WHEN (OLD.status <> 'draft' AND (NEW.status = 'draft' {changes}))
EXECUTE FUNCTION prompts_version_is_immutable()
"""
TYPE = {
    "default": "conversation",
    "help_text": "Task instructions are told to tasks of this type alone. Of a prompt of agents: "
    "what its tasks are when nobody says.",
    "max_length": 50,
    "verbose_name": "task type",
}


def up(apps, schema_editor):
    if schema_editor.connection.vendor == "sqlite":
        schema_editor.execute(DROP, params=None)
        schema_editor.execute(SQLITE, params=None)
    else:
        schema_editor.execute(POSTGRES.format(changes=CHANGES), params=None)


def down(apps, schema_editor):
    """A trigger that looks at the column has to be gone before it."""
    if schema_editor.connection.vendor == "sqlite":
        schema_editor.execute(DROP, params=None)
    else:
        schema_editor.execute(POSTGRES.format(changes=BEFORE), params=None)


class Migration(migrations.Migration):
    dependencies = [("prompts", "0008_replays_and_durable_runs")]
    operations = [
        migrations.AddField(
            model_name="promptversion",
            name="variants",
            field=models.JSONField(default=dict, editable=False),
        ),
        migrations.AlterField("prompt", "task_type", models.CharField(**TYPE)),
        migrations.AlterField("historicalprompt", "task_type", models.CharField(**TYPE)),
        migrations.RunPython(up, down),
    ]
