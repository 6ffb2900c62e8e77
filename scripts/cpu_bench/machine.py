# SPDX-License-Identifier: Apache-2.0
"""What the machine is, and whether anything else used it while something was measured."""
import os
import platform

# The share of the machine's time that other processes may take while something is measured.
QUIET = 0.10
TICK = os.sysconf("SC_CLK_TCK")


def describe():
    model, flags = "unknown processor", ""
    with open("/proc/cpuinfo") as info:
        for line in info:
            key, _, value = line.partition(":")
            if key.strip() == "model name":
                model = value.strip()
            elif key.strip() == "flags":
                flags = value
    sets = [name for name in ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_int8") if f" {name} " in flags + " "]
    with open("/proc/meminfo") as info:
        total = int(info.readline().split()[1]) >> 20
    return (f"{model}, {os.cpu_count()} cores, {' '.join(sets)}, {total} GiB, Linux {platform.release()}, "
            f"huge pages {setting('enabled')}")


def setting(name):
    try:
        with open(f"/sys/kernel/mm/transparent_hugepage/{name}") as file:
            text = file.read()
            return text[text.index("[") + 1:text.index("]")]
    except (OSError, ValueError):
        return "not there"


def busy_s():
    """Seconds that the machine's cores have not been idle, stolen time included."""
    with open("/proc/stat") as stat:
        user, nice, system, _, _, irq, softirq, steal = map(int, stat.readline().split()[1:9])
    return (user + nice + system + irq + softirq + steal) / TICK


def used_s(id):
    """Seconds of processor time of a process and of its children that have ended."""
    try:
        with open(f"/proc/{id}/stat") as stat:
            fields = stat.read().rsplit(")", 1)[1].split()
    except FileNotFoundError:
        return 0
    return sum(map(int, fields[11:15])) / TICK


class Foreign:
    """The share of the machine's time that was taken by other processes than the given ones and this one."""

    def __init__(self, clock, processes):
        self.clock = clock
        self.processes = [os.getpid(), *processes]
        self.began, self.busy, self.own = clock(), busy_s(), self.used()

    def used(self):
        return sum(used_s(id) for id in self.processes)

    def share(self):
        elapsed = self.clock() - self.began
        foreign = busy_s() - self.busy - (self.used() - self.own)
        return max(0.0, foreign / (elapsed * os.cpu_count()))
