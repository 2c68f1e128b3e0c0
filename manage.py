#!/usr/bin/env python
"""Orkesta's command line."""

import os
import sys

from django.core.exceptions import ImproperlyConfigured
from django.core.management import execute_from_command_line


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "orkesta.settings")
    try:
        execute_from_command_line(sys.argv)
    except ImproperlyConfigured as exc:
        # The reader can mend a bad value, so it gets the reasons and not a traceback.
        sys.exit(str(exc))


if __name__ == "__main__":
    main()
