"""The tables of the app; the entry model and its migration come from the setting."""

import django.core.validators
import django.db.models.deletion
import insights_recovery.clock
from django.db import migrations, models

from insights_recovery.conf import entry_model_name
from insights_recovery.hosts import entry_migration


class Migration(migrations.Migration):

    initial = True

    dependencies = [
        entry_migration(),
    ]

    operations = [
        migrations.CreateModel(
            name='Heartbeat',
            fields=[
                ('name', models.CharField(max_length=64, primary_key=True, serialize=False)),
                ('token', models.UUIDField(null=True)),
                ('lease_until', models.DateTimeField(null=True)),
                ('started_at', models.DateTimeField(null=True)),
                ('finished_at', models.DateTimeField(null=True)),
                ('runner', models.CharField(blank=True, max_length=255)),
                ('cursor', models.CharField(blank=True, help_text='Key up to which the verify pass has read.', max_length=255)),
                ('report', models.JSONField(blank=True, default=dict, help_text='What the last run did, in numbers.')),
            ],
        ),
        migrations.CreateModel(
            name='Extraction',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('extractor', models.CharField(max_length=64)),
                ('version', models.CharField(max_length=64)),
                ('text_digest', models.CharField(max_length=64)),
                ('is_outdated', models.BooleanField(default=False, help_text='To be done over: still shown, but no longer a checkpoint.')),
                ('sentiment', models.FloatField(blank=True, null=True, validators=[django.core.validators.MinValueValidator(-1.0), django.core.validators.MaxValueValidator(1.0)])),
                ('summary', models.TextField(blank=True)),
                ('title', models.CharField(blank=True, max_length=255)),
                ('language', models.CharField(blank=True, max_length=16)),
                ('duration', models.FloatField(help_text='Seconds that the extractor took for this text.')),
                ('usage', models.JSONField(blank=True, default=dict)),
                ('created_at', models.DateTimeField(db_default=insights_recovery.clock.DatabaseNow(), editable=False)),
                ('entry', models.ForeignKey(db_constraint=False, on_delete=django.db.models.deletion.CASCADE, related_name='extractions', to=entry_model_name())),
            ],
        ),
        migrations.CreateModel(
            name='Insight',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('position', models.PositiveIntegerField(default=0, editable=False)),
                ('kind', models.CharField(choices=[('emotion', 'emotion'), ('theme', 'theme'), ('person', 'person'), ('place', 'place'), ('organisation', 'organisation'), ('event', 'event'), ('product', 'product'), ('activity', 'activity'), ('food', 'food'), ('media', 'media'), ('keyphrase', 'keyphrase'), ('tag', 'tag'), ('other', 'other')], max_length=16)),
                ('label', models.CharField(max_length=255)),
                ('snippet', models.TextField(blank=True)),
                ('start', models.PositiveIntegerField(blank=True, help_text='First character in the text.', null=True)),
                ('end', models.PositiveIntegerField(blank=True, help_text='Behind the last character in the text.', null=True)),
                ('sentiment', models.FloatField(blank=True, help_text='From -1 to 1.', null=True, validators=[django.core.validators.MinValueValidator(-1.0), django.core.validators.MaxValueValidator(1.0)])),
                ('confidence', models.FloatField(blank=True, help_text='From 0 to 1.', null=True, validators=[django.core.validators.MinValueValidator(0.0), django.core.validators.MaxValueValidator(1.0)])),
                ('is_manual_edit', models.BooleanField(default=False, editable=False, verbose_name='made or edited by hand')),
                ('is_removed', models.BooleanField(default=False, editable=False, verbose_name='removed by hand')),
                ('extracted_kind', models.CharField(blank=True, editable=False, max_length=16)),
                ('extracted_label', models.CharField(blank=True, editable=False, help_text='What the extractor said, so that it is known again when the text is read anew.', max_length=255)),
                ('entry', models.ForeignKey(db_constraint=False, on_delete=django.db.models.deletion.CASCADE, related_name='insights', to=entry_model_name())),
                ('extraction', models.ForeignKey(blank=True, editable=False, null=True, on_delete=django.db.models.deletion.CASCADE, related_name='insights', to='insights_recovery.extraction')),
            ],
            options={
                'ordering': ['entry_id', 'position', 'pk'],
            },
        ),
        migrations.CreateModel(
            name='ProcessingAttempt',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('number', models.PositiveIntegerField()),
                ('token', models.UUIDField()),
                ('task_id', models.CharField(blank=True, max_length=255)),
                ('worker', models.CharField(blank=True, max_length=255)),
                ('started_at', models.DateTimeField(db_default=insights_recovery.clock.DatabaseNow())),
                ('finished_at', models.DateTimeField(null=True)),
                ('outcome', models.CharField(choices=[('running', 'in work'), ('completed', 'done'), ('skipped', 'skipped'), ('failed', 'failed'), ('postponed', 'postponed'), ('released', 'given back'), ('superseded', 'text edited meanwhile'), ('lost', 'worker lost')], default='running', max_length=16)),
                ('error_type', models.CharField(blank=True, max_length=255)),
                ('error', models.TextField(blank=True)),
                ('traceback', models.TextField(blank=True)),
                ('entry', models.ForeignKey(db_constraint=False, on_delete=django.db.models.deletion.CASCADE, related_name='attempts', to=entry_model_name())),
            ],
            options={
                'ordering': ['entry_id', 'number'],
            },
        ),
        migrations.AddConstraint(
            model_name='extraction',
            constraint=models.UniqueConstraint(fields=('entry', 'extractor', 'text_digest'), name='insights_recovery_one_extraction'),
        ),
        migrations.AddIndex(
            model_name='processingattempt',
            index=models.Index(fields=['token'], name='ir_attempt_token'),
        ),
        migrations.AddIndex(
            model_name='processingattempt',
            index=models.Index(fields=['finished_at'], name='ir_attempt_finished'),
        ),
    ]
