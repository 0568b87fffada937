#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""metricuse: holds what uses names of metrics against pages of /metrics.

    metricuse.py page MAN PAGE...      koop-metrics(5) and the pages have the
                                       same families, types and labels
    metricuse.py used FILE PAGE...     every metric, label and exact value of a
                                       label in a dashboard (.json) or a file of
                                       rules (.yml) is on the pages

Says what is wrong, a line each, and then exits 1."""

import json
import re
import sys

# What Prometheus adds to what it reads.
GIVEN = {"instance", "job"}
NAME = r"(?:koop|process)_[a-z0-9_]+"
LABEL = re.compile(r'([a-zA-Z_]\w*)="((?:[^"\\]|\\.)*)"')


def read_pages(files):
    """Of each family its type, its labels, and the values that they have."""
    families = {}
    for file in files:
        with open(file, encoding="utf-8") as page:
            family = None
            for line in page:
                words = line.split()
                if line.startswith("# TYPE"):
                    family = families.setdefault(words[2], (words[3], {}))
                elif not line.startswith("#"):
                    for label, value in LABEL.findall(line):
                        if label != "le":
                            family[1].setdefault(label, set()).add(value)
    return families


def read_man(file):
    """The entries of the page: name, type, labels."""
    entries = {}
    with open(file, encoding="utf-8") as man:
        for line in man:
            found = re.fullmatch(
                rf"\.It Ic ({NAME}) Pq (\w+)(?: ; Li ([a-z_ ,]+))?\n", line)
            if found:
                name, kind, labels = found.groups()
                if name in entries:
                    yield f"{name}: twice in the page"
                entries[name] = (kind, set((labels or "").split(" , ")) - {""})
            elif line.startswith(".It Ic"):
                yield f"not an entry: {line.strip()}"
    yield entries


def check_page(man, files):
    """The page and the programs, both ways."""
    families = read_pages(files)
    *wrong, entries = read_man(man)
    for name in sorted(entries.keys() | families.keys()):
        if name not in families:
            wrong.append(f"{name}: no program tells it")
        elif name not in entries:
            wrong.append(f"{name}: not in the page")
        else:
            kind, labels = families[name]
            # Without a sample its labels cannot be seen.
            if entries[name][0] != kind:
                wrong.append(f"{name}: a {kind}, not a {entries[name][0]}")
            if entries[name][1] != set(labels) and labels:
                wrong.append(f"{name}: labels {sorted(labels)}, "
                             f"not {sorted(entries[name][1])}")
            if entries[name][1] and not labels:
                wrong.append(f"{name}: no sample shows its labels")
    return wrong


def expressions(file):
    """The expressions of PromQL, and the labels of legends and texts."""
    with open(file, encoding="utf-8") as text:
        if file.endswith(".json"):
            for panel in json.load(text)["panels"]:
                for target in panel.get("targets", []):
                    yield target["expr"], target["legendFormat"]
            return
        for rule in re.split(r"\n\s*- alert: ", text.read())[1:]:
            expr = re.search(r"\n\s*expr: (.*?)\n\s*(?:for|labels):", rule,
                             re.DOTALL).group(1)
            yield expr, rule


def check_used(file, files):
    """What is used is there."""
    families = read_pages(files)
    every = {l for _, labels in families.values() for l in labels} | GIVEN
    wrong = []
    used = 0
    for expr, text in expressions(file):
        for name, selector in re.findall(rf"({NAME})(?:\{{([^}}]*)\}})?", expr):
            used += 1
            family = re.sub(r"_(bucket|sum|count)$", "", name)
            if name in families:
                family = name
            elif family not in families or families[family][0] != "histogram":
                wrong.append(f"{name}: not on the pages")
                continue
            for label, how, value in re.findall(
                    r'(\w+)\s*(=~|!~|!=|=)\s*"([^"]*)"', selector):
                values = families[family][1].get(label)
                if label in GIVEN:
                    continue
                if values is None:
                    wrong.append(f"{name}: it has no label {label}")
                elif how == "=" and value not in values:
                    wrong.append(f"{name}: {label} is never {value}")
        grouped = re.findall(
            r"\b(?:by|on|without|ignoring|group_left)\s*\(([^)]*)\)", expr)
        shown = re.findall(r"\$labels\.(\w+)", text)
        if file.endswith(".json"):
            shown = re.findall(r"\{\{(\w+)\}\}", text)
        for label in re.findall(r"\w+", " ".join(grouped)) + shown:
            if label not in every | {"le"}:
                wrong.append(f"{label}: no metric has this label: {expr}")
    if used == 0:
        wrong.append(f"{file}: uses nothing")
    return wrong


def main(args):
    """See above."""
    check = {"page": check_page, "used": check_used}[args[0]]
    wrong = check(args[1], args[2:])
    for text in wrong:
        print(text)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
