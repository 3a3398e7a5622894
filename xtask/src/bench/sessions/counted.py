"""Counts what an archive holds: `counted.py DATABASE` prints sessions and messages."""

import sqlite3
import sys

database = sqlite3.connect(f"file:{sys.argv[1]}?mode=ro", uri=True)
count = lambda table: database.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
print(count("sessions"), count("messages"))
