import uuid

import django.core.validators
import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models

import submissions.models.dataset
import submissions.text.links


class Migration(migrations.Migration):
    """Organisers' imports, data files, links to a method: four migrations since 0.2.0 in one."""

    replaces = [
        ("submissions", "0015_organise"),
        ("submissions", "0016_data_files"),
        ("submissions", "0017_method_links"),
        ("submissions", "0018_upload_purpose_data"),
    ]

    dependencies = [
        ("submissions", "0014_messages"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddField(
            model_name='dataset',
            name='owner',
            field=models.ForeignKey(blank=True, editable=False, help_text="Who imported it in the browser; empty: the site's.", null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='datasets', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='phase',
            name='frozen_at',
            field=models.DateTimeField(blank=True, editable=False, help_text='Since when its final board changes no more.', null=True),
        ),
        migrations.CreateModel(
            name='DatasetImport',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('kind', models.CharField(choices=submissions.models.dataset.kind_choices, max_length=40)),
                ('name', models.CharField(max_length=80)),
                ('options', models.JSONField(default=dict, help_text='As `manage.py import_dataset` takes them.')),
                ('is_dry_run', models.BooleanField(default=False)),
                ('truth_name', models.CharField(max_length=255)),
                ('truth_key', models.CharField(blank=True, max_length=300)),
                ('images_name', models.CharField(blank=True, max_length=255)),
                ('images_key', models.CharField(blank=True, max_length=300)),
                ('images_bytes', models.BigIntegerField(default=0)),
                ('state', models.CharField(choices=[('waiting', 'waiting for a worker'), ('running', 'running'), ('checked', 'checked: nothing is stored'), ('imported', 'imported'), ('refused', 'refused: nothing is stored'), ('failed', 'failed by our fault: nothing is stored'), ('stopped', 'stopped: nothing is stored')], db_index=True, default='waiting', max_length=10)),
                ('attempt', models.PositiveIntegerField(default=0)),
                ('step', models.CharField(blank=True, max_length=60)),
                ('done', models.BigIntegerField(default=0)),
                ('total', models.BigIntegerField(default=0)),
                ('problems', models.JSONField(default=list)),
                ('n_problems', models.PositiveIntegerField(default=0)),
                ('warnings', models.JSONField(default=list)),
                ('counts', models.JSONField(default=dict, help_text='Cases by split.')),
                ('changes', models.JSONField(default=None, null=True)),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now)),
                ('seen_at', models.DateTimeField(default=django.utils.timezone.now, help_text='The last word of its worker.')),
                ('finished_at', models.DateTimeField(null=True)),
                ('dataset', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to='submissions.dataset')),
                ('user', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='dataset_imports', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'ordering': ['-created_at'],
            },
        ),
        migrations.CreateModel(
            name='DataFile',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.CharField(max_length=200, verbose_name='file name')),
                ('version', models.CharField(default='1', help_text='Such as 1.0 or 2027-01; people cite it.', max_length=40)),
                ('description', models.CharField(blank=True, help_text='One or two sentences: what is in it.', max_length=400)),
                ('licence', models.CharField(blank=True, help_text='Such as CC BY 4.0.', max_length=120)),
                ('licence_url', models.URLField(blank=True, verbose_name='address of the licence')),
                ('citation', models.TextField(blank=True, help_text='What those who use it are to cite.', max_length=2000)),
                ('audience', models.CharField(choices=[('everybody', 'everybody'), ('signed-in', 'people who are signed in'), ('participants', 'people who take part: accepted, and with the rules accepted')], default='participants', max_length=12, verbose_name='who may download it')),
                ('key', models.CharField(editable=False, max_length=300)),
                ('size_bytes', models.BigIntegerField(editable=False)),
                ('sha256', models.CharField(editable=False, max_length=64, validators=[django.core.validators.RegexValidator('\\A[0-9a-f]{64}\\Z', '64 lower-case hexadecimal digits.')])),
                ('added_at', models.DateTimeField(auto_now_add=True)),
                ('withdrawn_at', models.DateTimeField(blank=True, editable=False, null=True)),
                ('added_by', models.ForeignKey(blank=True, editable=False, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('challenge', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='data_files', to='submissions.challenge')),
            ],
            options={
                'ordering': ['name', '-added_at', '-pk'],
                'constraints': [models.UniqueConstraint(fields=('challenge', 'name', 'version'), name='one_data_file_per_version')],
            },
        ),
        migrations.AddField(
            model_name='submission',
            name='code_url',
            field=models.URLField(blank=True, max_length=300, validators=[submissions.text.links.validate_link]),
        ),
        migrations.AddField(
            model_name='submission',
            name='model_name',
            field=models.CharField(blank=True, max_length=80),
        ),
        migrations.AddField(
            model_name='submission',
            name='paper_url',
            field=models.URLField(blank=True, max_length=300, validators=[submissions.text.links.validate_link]),
        ),
        migrations.AlterField(
            model_name="upload",
            name="purpose",
            field=models.CharField(
                choices=[
                    ("image", "image of a submission"),
                    ("model", "model archive"),
                    ("csv", "predictions, kept until their sender confirms that the same file is sent again"),
                    ("dataset", "images of a dataset"),
                    ("data", "file that a challenge hands out"),
                ],
                default="image",
                max_length=10,
            ),
        ),
    ]
