#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""usage: terminal.py COLUMNS[,COLUMNS] COMMAND: run a shell command whose
standard error is a terminal of so many columns, and of as many as the second
number says once something was drawn; print what was drawn, a line for each
time that the cursor went to the first column."""

import fcntl
import os
import pty
import struct
import subprocess
import sys
import termios


def width(fd, columns):
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))


def main(columns, command):
    columns = [int(n) for n in columns.split(",")]
    master, slave = pty.openpty()
    width(master, columns[0])
    child = subprocess.Popen(command, shell=True, stdin=subprocess.DEVNULL,
                             stdout=subprocess.DEVNULL, stderr=slave)
    os.close(slave)
    got = b""
    while True:
        try:
            some = os.read(master, 4096)
        except OSError:
            break
        if not some:
            break
        got += some
        if len(columns) > 1 and got.count(b"\r") > 2:
            width(master, columns.pop())
            got += b"\rresized"
    child.wait()
    for line in got.replace(b"\033[K", b"").split(b"\r"):
        if line.strip():
            print(line.decode().strip())


main(*sys.argv[1:])
