#!/usr/bin/env python
"""Run an administrative command: `python manage.py help` lists them."""

import os
import sys


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "lunasite.settings")
    from django.core.management import execute_from_command_line
    from django.db import DatabaseError

    try:
        execute_from_command_line(sys.argv)
    except DatabaseError as error:
        from lunasite.database.migrated import why_it_failed

        if reason := why_it_failed(error):
            sys.exit(reason)
        raise


if __name__ == "__main__":
    main()
