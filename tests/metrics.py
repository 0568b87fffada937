#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""metrics: reads a page of metrics on standard input, strictly.  Says what is
wrong with its form (Prometheus' text format 0.0.4) or with its names (the
conventions that promtool(1) checks), and then exits 1.

    metrics.py                 only check
    metrics.py --families      print: name, type, help, with tabs
    metrics.py SERIES...       print the value of each, "-" if it is not there;
                               a series is name{label="value",...}, as printed
"""

import re
import sys

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
LABEL = r'[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\["\\n])*"'
SAMPLE = re.compile(rf"({NAME})(?:\{{({LABEL}(?:,{LABEL})*)\}})? (\S+)")
NUMBER = re.compile(r"[+-]?(?:\d+(?:\.\d+)?(?:e[+-]\d+)?|Inf)|NaN")
FOREIGN_UNITS = re.compile(
    r"_(ms|us|ns|millis\w*|micros\w*|minutes|hours|days|kb|mb|gb|kib|mib|gib|"
    r"kilobytes|megabytes|bits|percent)(_|$)")


class Page:
    """What was read, and what is wrong with it."""

    def __init__(self):
        self.wrong = []
        self.helps = {}
        self.types = {}
        self.values = {}
        self.family = None
        self.line = 0

    def blame(self, text):
        self.wrong.append(f"line {self.line}: {text}")

    def begin(self, keyword, name, rest):
        """A line of HELP or TYPE."""
        seen = self.helps if keyword == "HELP" else self.types
        if name in seen:
            self.blame(f"second {keyword} of {name}")
        seen[name] = rest
        if keyword == "HELP":
            if not rest.strip():
                self.blame(f"{name}: no help")
            self.family = name
            return
        if name != self.family:
            self.blame(f"TYPE of {name} is not behind its HELP")
        if rest not in ("counter", "gauge", "histogram"):
            self.blame(f"{name}: no type: {rest}")
        self.check_name(name, rest)

    def check_name(self, name, kind):
        if (kind == "counter") != name.endswith("_total"):
            self.blame(f"{name}: a {kind}, and _total is for counters")
        if FOREIGN_UNITS.search(name):
            self.blame(f"{name}: not a base unit")
        if not re.fullmatch(r"(koop|process)_[a-z0-9_]+", name):
            self.blame(f"{name}: not a name of ours")

    def sample(self, line):
        found = SAMPLE.fullmatch(line)
        if not found:
            self.blame(f"no sample: {line}")
            return
        name, labels, number = found.groups()
        family = name
        if self.types.get(self.family) == "histogram":
            family = re.sub(r"_(bucket|sum|count)$", "", name)
        if family != self.family:
            self.blame(f"{name}: not among the samples of its family")
        if not NUMBER.fullmatch(number):
            self.blame(f"{name}: no number: {number}")
            return
        names = re.findall(r'([a-zA-Z0-9_]+)="', labels or "")
        if len(set(names)) < len(names):
            self.blame(f"{name}: a label twice")
        series = f"{name}{{{labels}}}" if labels else name
        if series in self.values:
            self.blame(f"{series}: twice")
        self.values[series] = number
        if self.types.get(family) == "counter" and float(number) < 0:
            self.blame(f"{series}: a counter below 0")

    def check_histograms(self):
        """Buckets rise with le to +Inf, which is the count."""
        rows = {}
        for series, number in self.values.items():
            found = re.fullmatch(r'(.*)_bucket\{(?:(.*),)?le="(.*)"\}', series)
            if found:
                name, labels, bound = found.groups()
                rows.setdefault((name, labels), []).append(
                    (float(bound), float(number)))
        for (name, labels), row in rows.items():
            tail = f"{{{labels}}}" if labels else ""
            if row != sorted(row) or row[-1][0] != float("inf"):
                self.blame(f"{name}{tail}: bounds out of order")
            counts = [count for _, count in row]
            if counts != sorted(counts):
                self.blame(f"{name}{tail}: buckets are not cumulative")
            if self.values.get(f"{name}_count{tail}") is None or \
                    float(self.values[f"{name}_count{tail}"]) != counts[-1]:
                self.blame(f"{name}{tail}: the count is not the last bucket")
            if f"{name}_sum{tail}" not in self.values:
                self.blame(f"{name}{tail}: no sum")

    def read(self, text):
        if text and not text.endswith("\n"):
            self.blame("the last line has no end")
        for line in text.split("\n")[:-1]:
            self.line += 1
            found = re.fullmatch(rf"# (HELP|TYPE) ({NAME}) (.*)", line)
            if found:
                self.begin(*found.groups())
            elif line.startswith("#"):
                self.blame(f"a comment of an unknown kind: {line}")
            else:
                self.sample(line)
        for name in self.helps:
            if name not in self.types:
                self.blame(f"{name}: no TYPE")
        self.check_histograms()


def main(arguments):
    page = Page()
    page.read(sys.stdin.buffer.read().decode("utf-8"))
    for line in page.wrong:
        print(f"metrics: {line}", file=sys.stderr)
    if arguments == ["--families"]:
        for name, kind in page.types.items():
            print(f"{name}\t{kind}\t{page.helps.get(name)}")
    else:
        for series in arguments:
            print(page.values.get(series, "-"))
    return 1 if page.wrong or not page.values else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
