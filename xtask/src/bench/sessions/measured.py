"""Runs a program and says what it cost: `measured.py OUT PROGRAM ARGS…` writes one line of JSON to OUT.

Written bytes are those of the process's block output, in units of 512 bytes, as the system counts them.
"""

import json
import os
import sys
import time

out, program, arguments = sys.argv[1], sys.argv[2], sys.argv[2:]
start = time.monotonic()
pid = os.posix_spawn(program, arguments, os.environ)
_, status, used = os.wait4(pid, 0)
wall = time.monotonic() - start
with open(out, "w", encoding="utf-8") as file:
    json.dump(
        {
            "code": os.waitstatus_to_exitcode(status),
            "wall": wall,
            "cpu": used.ru_utime + used.ru_stime,
            # Kilobytes on Linux, bytes on macOS.
            "rss": used.ru_maxrss * (1 if sys.platform == "darwin" else 1024),
            "written": used.ru_oublock * 512,
        },
        file,
    )
