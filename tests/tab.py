#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""tab.py SHELL FOLDER LINE: what SHELL (bash, zsh, fish), with the completions
in FOLDER, shows in a terminal after LINE and a TAB.

Nothing is waited for but words that the shell prints itself, so that a slow
machine changes nothing.  The home and the current folder are those of the
caller; nothing of his set-up is read."""

import os
import pty
import re
import select
import struct
import sys
import termios
import fcntl
import time

DEADLINE_S = 60
START = {
    "bash": (["bash", "--norc", "--noprofile", "-i"], [
        "bind 'set show-all-if-ambiguous on'",
        "bind 'set completion-query-items 0'",
        "bind 'set page-completions off'",
        "bind 'set bell-style none'",
        "bind 'set enable-bracketed-paste off'",
        "for f in '{dir}'/*.bash; do source \"$f\"; done",
    ]),
    "zsh": (["zsh", "-f", "-i"], [
        "LISTMAX=100000; unsetopt beep",
        "fpath=('{dir}' $fpath); autoload -Uz compinit; compinit -u -D",
    ]),
    "fish": (["fish", "--private"], [
        "function fish_prompt; printf '> '; end",
        "set -g fish_autosuggestion_enabled 0",
        "set -p fish_complete_path '{dir}'",
    ]),
}


def strip(text):
    """Without what moves the cursor or colours."""
    text = re.sub(r"\x1b\[[0-9;?<>=]*[a-zA-Z]", "", text)
    text = re.sub(r"\x1b\][^\x07]*\x07", "", text)
    text = re.sub(r"\x1b[()][A-Z0-9]|\x1b[=>]", "", text)
    # zsh writes a first letter twice; what goes back further is no text.
    text = re.sub("(.)\b\\1", r"\1", text).replace("\b", " ")
    return text.replace("\r\n", "\n").replace("\r", "\n").replace("\x07", "")


class Terminal:
    def __init__(self, argv):
        self.seen = ""
        self.end = time.monotonic() + DEADLINE_S
        pid, self.fd = pty.fork()
        if pid == 0:
            os.environ.update(TERM="xterm", PS1="> ", PROMPT="> ",
                              INPUTRC="/dev/null", fish_greeting="",
                              TMPDIR=os.environ["HOME"])
            os.execvp(argv[0], argv)
        self.pid = pid
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ,
                    struct.pack("HHHH", 200, 150, 0, 0))

    def send(self, text):
        os.write(self.fd, text.encode())

    def until(self, word):
        """What comes before word, which no command line has in one piece."""
        while word not in self.seen:
            left = self.end - time.monotonic()
            if left <= 0 or not select.select([self.fd], [], [], left)[0]:
                sys.exit("no answer: " + repr(self.seen))
            self.seen += os.read(self.fd, 65536).decode(errors="replace")
        before, self.seen = self.seen.split(word, 1)
        return before


def main():
    shell, folder, line = sys.argv[1:]
    argv, setup = START[shell]
    terminal = Terminal(argv)
    for command in setup:
        terminal.send(command.format(dir=folder) + "\r")
    terminal.send("echo RE''ADY\r")
    terminal.until("READY")
    terminal.until("> ")
    terminal.send(line + "\t")
    # Ctrl-U: forget the line.
    terminal.send("\x15echo DO''NE\r")
    print(strip(terminal.until("DONE")))
    terminal.send("exit\r")
    os.waitpid(terminal.pid, 0)


main()
