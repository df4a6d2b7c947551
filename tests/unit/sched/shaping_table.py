#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""shaping_table.py BEHAVIOUR_JSON PROGRAM: gives PROGRAM, on its standard input, the tbf and htb scenarios as a table.

scenario NAME WARM_S WINDOW_S
tbf BYTES_PER_S BURST_BYTES LIMIT_BYTES       or       htb DEFAULT
class PARENT CLASSID RATE CEIL BURST_NS CBURST_NS PRIO     rates in bytes per second, ids in hexadecimal without colon
sfq PARENT HANDLE
flow RATE_BPS FRAME_BYTES BURST_PACKETS CLASSID PACKETS DELAY_MEAN_NS
run

Exits with 77, which says "skipped" to meson, where the measurements are not there.
"""
import json
import os
import re
import subprocess
import sys

UNITS = {"kbit": 125, "mbit": 125000, "k": 1024, "": 1}
MTU = 1600  # tc's default burst: this many bytes at HZ 10^9


def number(text):
    digits, unit = re.fullmatch(r"([\d.]+)([a-z]*)", text).groups()
    return int(float(digits) * UNITS[unit])


def classid(text):
    major, minor = text.split(":")
    return f"{int(major, 16) << 16 | int(minor or '0', 16):x}"


def options(words):
    """The words of a tc line that come in pairs, behind the kind."""
    return dict(zip(words[::2], words[1::2]))


def burst_ns(size, rate):
    """As tc sends it: whole microseconds of time at the rate."""
    return size * 1000000 // rate * 1000


def setup_line(line):
    """The table's line for a tc line; filters give none."""
    words = line.split()[2:]
    if words[0] == "add" and " tbf " in line:
        o = options(words[words.index("tbf") + 1:])
        rate, burst = number(o["rate"]), number(o["burst"])
        limit = number(o["limit"]) if "limit" in o else rate * int(o["latency"].removesuffix("ms")) // 1000 + burst
        return f"tbf {rate} {burst} {limit}"
    if " htb" in line and "class" not in line.split()[1]:
        o = options(words[words.index("htb") + 1:])
        return f"htb {o.get('default', '0')}"
    if line.startswith("tc class"):
        where, o = options(words[1:words.index("htb")]), options(words[words.index("htb") + 1:])
        rate = number(o["rate"])
        ceil = number(o.get("ceil", o["rate"]))
        parent = where["parent"] if not where["parent"].endswith(":") else where["parent"] + "0"
        return (f"class {classid(parent)} {classid(where['classid'])} {rate} {ceil} {burst_ns(number(o.get('burst', str(MTU))), rate)}"
                f" {burst_ns(MTU, ceil)} {o.get('prio', '0')}")
    if " sfq" in line:
        where = options(words[1:])
        return f"sfq {classid(where['parent'])} {classid(where['handle'])}"
    if line.startswith("tc filter"):
        return None
    raise ValueError(line)


def target(flow, setup):
    """The class that the scenario's filters choose for a flow."""
    for line in setup:
        match = re.search(r"match ip (dport|sport) (\d+) 0xffff flowid (\S+)", line)
        if match and flow.get(match[1]) == int(match[2]):
            return classid(match[3])
    return "0"


def table(scenarios):
    for name, scenario in scenarios.items():
        if not name.startswith(("tbf-", "htb-")):
            continue
        yield f"scenario {name} {scenario['warm_s']} {scenario['window_s']}"
        yield from filter(None, map(setup_line, scenario["setup"]))
        for offered, got in zip(scenario["traffic"], scenario["measured"]["flows"]):
            # Fewer than a hundred packets have no mean to speak of: which ones fall into the window decides it.
            delay = round(got["delay_ms"]["mean"] * 1e6) if got["packets"] >= 100 else -1
            yield (f"flow {offered['rate']} {offered.get('size', 1000) + 14} {offered.get('burst', 0)}"
                   f" {target(offered, scenario['setup'])} {got['packets']} {delay}")
        yield "run"


def main():
    path, program = sys.argv[1:3]
    if not os.path.exists(path):
        print(f"skipped: {path} is not there")
        return 77
    with open(path, encoding="utf-8") as file:
        lines = list(table(json.load(file)["scenarios"]))
    return subprocess.run([program], input="\n".join(lines) + "\n", text=True, check=False).returncode


sys.exit(main())
