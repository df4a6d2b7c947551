#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""behaviour_table.py BEHAVIOUR_JSON PROGRAM: gives PROGRAM, on its standard input, the scenarios of one discipline under a tbf as a table.

scenario NAME KIND LIMIT RATE_BPS BURST_BYTES WARM_S WINDOW_S DROPPED
flow RATE_BPS FRAME_BYTES TOS PACKETS DELAY_MEAN_NS

LIMIT is 0 where none was given; PACKETS and the mean delay (0: none arrived) were measured in the window, DROPPED is the discipline's. Exits
with 77, which says "skipped" to meson, where the measurements are not there.
"""
import json
import os
import re
import subprocess
import sys

SETUP = re.compile(r"root handle 1: tbf rate (\d+)mbit burst (\d+)k limit \d+$")
CHILD = re.compile(r"parent 1:1 handle 10: (prio|pfifo_fast|sfq(?: perturb 10)?|pfifo)(?: limit (\d+))?$")


def main():
    path, program = sys.argv[1:3]
    if not os.path.exists(path):
        print(f"skipped: {path} is not there")
        return 77
    lines = []
    with open(path, encoding="utf-8") as file:
        scenarios = json.load(file)["scenarios"]
    for name, scenario in scenarios.items():
        if len(scenario["setup"]) != 2:
            continue
        root, child = SETUP.search(scenario["setup"][0]), CHILD.search(scenario["setup"][1])
        if not root or not child or any("burst" in flow or "jitter" in flow for flow in scenario["traffic"]):
            continue
        measured = scenario["measured"]
        lines.append(f"scenario {name} {child[1].split()[0]} {child[2] or 0} {int(root[1]) * 1000000} {int(root[2]) * 1024}"
                     f" {scenario['warm_s']} {scenario['window_s']} {measured['dropped_in_window']['qdisc'][1]}")
        for offered, got in zip(scenario["traffic"], measured["flows"]):
            delay = round(got.get("delay_ms", {}).get("mean", 0) * 1e6)
            lines.append(f"flow {offered['rate']} {offered.get('size', 1000) + 14} {offered.get('tos', 0)} {got['packets']} {delay}")
    if not lines:
        print(f"{path} has no scenario of this kind: is it another file?")
        return 1
    return subprocess.run([program], input="\n".join(lines) + "\n", text=True, check=False).returncode


sys.exit(main())
