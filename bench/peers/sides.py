# SPDX-License-Identifier: Apache-2.0
"""The two sides of a comparison: pkm bench, and a program of this folder."""

import json
import os
import pathlib
import shlex
import subprocess
import sys

HERE = pathlib.Path(__file__).parent
ROOT = HERE.parents[1]
PKM = ROOT / "build/release/pkm"


def output(*command, **environment):
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, cwd=ROOT,
                          env={**os.environ, **environment}).stdout


class Ours:
    """pkm bench, started anew for each round."""

    def __init__(self, section, row, threads):
        self.row, self.figures = row, row.figures or section.figures
        self.command = [str(PKM), "bench", section.bench, "--json", "--runs", str(section.runs[0]),
                        *shlex.split(row.shape), *shlex.split(row.ours)]
        self.threads, self.items = threads, 0
        self.rounds = []  # seconds per item
        self.floor = []  # its share of them, where there is one

    def measure(self):
        lines = map(json.loads, output(*self.command, PKM_THREADS=str(self.threads)).splitlines())
        figures = {(line["figure"], line["threads"]): line for line in lines}
        used = [figures[name, self.threads] for name in self.figures]
        seconds = sum(figure["median_s"] for figure in used)
        self.items = used[0]["items"]
        self.rounds.append(seconds / self.items)
        if all(figure["floor_s"] > 0 for figure in used):
            self.floor.append(sum(figure["floor_s"] for figure in used) / seconds)

    def result(self):
        return {"command": shlex.join(["pkm", *self.command[1:]]), "items": self.items, "rounds": self.rounds,
                "floor": self.floor}


class Peer:
    """A program of this folder, which waits for its turns."""

    def __init__(self, section, row, program, threads):
        self.command = [*shlex.split(program), *shlex.split(row.shape), "--threads", str(threads),
                        "--runs", str(section.runs[1])]
        self.engine, self.items, self.rounds = None, 0, []
        self.process = subprocess.Popen([sys.executable, HERE / self.command[0], *self.command[1:], "--wait"],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT)

    def line(self):
        line = self.process.stdout.readline()
        if not line:
            sys.exit(f"{shlex.join(self.command)}: ended with status {self.process.wait()}")
        return json.loads(line)

    def get_ready(self):
        self.engine = self.line()

    def measure(self):
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        line = self.line()
        self.items = line["items"]
        self.rounds.append(line["median_s"] / self.items)

    def end(self):
        self.process.stdin.close()
        self.process.wait()

    def result(self):
        return {**self.engine, "command": shlex.join(self.command), "items": self.items, "rounds": self.rounds}
