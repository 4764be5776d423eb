"""Backups: database, both buckets, feedback, drift and keys in one place; restored and verified from there.

files/<store>/<key>              stored files, which never change: each is copied once for all backups
backups/<time>/manifest.json     what this backup consists of, written last: without it a backup is not complete
backups/<time>/database.*        the database's dump
backups/<time>/feedback|drift/…  files that do change
backups/<time>/keys.json         SECRET_KEY and the key that signs records
"""

# The periodic job under which a complete backup is recorded; the metric backup_age_seconds reads it.
JOB = "backup"
