from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("submissions", "0017_method_links"),
    ]

    operations = [
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
