#!/usr/bin/env python3
"""replay.py CASE_DIR COMMAND [--config F] [--catalog F] [--state F]: a connector that plays a recording.

Prints COMMAND.jsonl (or the file named in REPLAY_FILE) byte for byte to stdout, stderr.txt to stderr,
and exits with the number in COMMAND.exit-code, else in exit-code (0 if absent). REPLAY_CHUNK=N writes N bytes at a time.
"""

import os, sys, time

case, command = sys.argv[1], sys.argv[2]


def read(name):
    try:
        with open(os.path.join(case, name), "rb") as f:
            return f.read()
    except FileNotFoundError:
        return b""


data = read(os.environ.get("REPLAY_FILE", command + ".jsonl"))
sys.stderr.buffer.write(read("stderr.txt"))
sys.stderr.flush()
step = int(os.environ.get("REPLAY_CHUNK", "0")) or max(len(data), 1)
for at in range(0, len(data), step):
    os.write(1, data[at : at + step])
    if step < 64:
        time.sleep(0.001)
sys.exit(int(read(command + ".exit-code") or read("exit-code") or 0))
