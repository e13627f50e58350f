# SPDX-License-Identifier: Apache-2.0
"""Runs programs of ours."""

import subprocess
import sys


def run(*command):
    """Standard output of a command; if it fails, ends with what it wrote to standard error."""
    done = subprocess.run([str(word) for word in command], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    if done.returncode != 0:
        sys.exit(f"{' '.join(map(str, command[:6]))} ...: exit code {done.returncode}\n{done.stderr.decode()}")
    return done.stdout
