"""Makes figures into something to read: the rows of report.json, tables in Markdown, plots, what a terminal shows."""

import os
import pathlib
import platform
import re
import statistics

import plots
from cases import Failed, output_of

MARKS = {True: "met", False: "**missed**"}


# ------------------------------------------------------------------------------------------------------------- Figures

def rows_of(figures, absent):
    """The report: `figures` is {(bench, params, impl): {metric: (unit, [values])}}, `absent` {the same: reason}; in the
    order in which they are to stand."""
    rows = []
    for (bench, params, impl), metrics in figures.items():
        for metric, (unit, values) in metrics.items():
            rows.append({"bench": bench, "params": params, "impl": impl, "metric": metric, "unit": unit,
                         "median": statistics.median(values), "min": min(values), "max": max(values),
                         "runs": len(values)})
        if (bench, params, impl) in absent:
            rows.append({"bench": bench, "params": params, "impl": impl, "metric": "", "unit": "", "median": None,
                         "min": None, "max": None, "runs": 0, "absent": absent[bench, params, impl]})
    return rows


class Outcome:
    """A target with what was reached: the ratio, or None when one side is absent, and who was compared."""

    def __init__(self, target, rows):
        medians = {(row["bench"], row["params"], row["impl"]): row for row in rows if row["metric"] == target.metric}
        self.target = target
        self.ours = self.best(medians, target.ours)
        self.theirs = self.best(medians, target.theirs)
        self.ratio = None
        if self.ours and not target.theirs:
            self.ratio = self.ours["median"]
        elif self.ours and self.theirs and self.theirs["median"] > 0:
            self.ratio = self.ours["median"] / self.theirs["median"]

    @staticmethod
    def best(medians, keys):
        found = [medians[key] for key in keys if key in medians]
        if not found:
            return None
        return (max if found[0]["unit"] == "1/s" else min)(found, key=lambda row: row["median"])

    @property
    def met(self):
        return self.ratio is not None and self.ratio <= self.target.at_most

    @property
    def theirs_text(self):
        return self.side(self.theirs) if self.target.theirs else ""

    @staticmethod
    def side(row):
        if not row:
            return "absent"
        return f"{plots.text_of(row['median'], row['unit'])} ({row['impl']})"


# ------------------------------------------------------------------------------------------------------------- Machine

def first_line(path, pattern=r"(.*)"):
    try:
        match = re.search(pattern, pathlib.Path(path).read_text(encoding="utf-8"))
    except OSError:
        return None
    return match[1].strip() if match else None


def machine_of(build_dir):
    """{what: text} of the machine, the kernel and this library."""
    facts = {
        "processor": first_line("/proc/cpuinfo", r"model name\s*:\s*(.*)") or platform.machine(),
        "processors": str(os.cpu_count()),
        "kernel": f"{platform.system()} {platform.release()} {platform.machine()}",
        "hypervisor": "yes" if "hypervisor" in (first_line("/proc/cpuinfo", r"flags\s*:\s*(.*)") or "") else "no",
        "mitigations": mitigations(),
        "system": first_line("/etc/os-release", r'PRETTY_NAME="(.*)"') or "unknown",
    }
    try:
        backend, reason, version = output_of([pathlib.Path(build_dir) / "bench/micro/asyncio_micro",
                                              "backend"]).splitlines()
        facts["this library"] = f"{version}, default back end {backend}" + (f": {reason}" if reason else "")
    except Failed:
        pass
    return facts


def mitigations():
    """What the kernel does about the processor's holes, which system calls pay for."""
    folder = pathlib.Path("/sys/devices/system/cpu/vulnerabilities")
    found = []
    for file in sorted(folder.iterdir()) if folder.is_dir() else []:
        state = first_line(file) or ""
        if state.startswith("Mitigation:"):
            found.append(f"{file.name}: {state.partition(':')[2].strip()}")
    return "; ".join(found) or "none"


# ------------------------------------------------------------------------------------------------------------ Markdown

def implementations_of(rows):
    """In the order ours, floors, peers, each in the order of the report."""
    names = list(dict.fromkeys(row["impl"] for row in rows))
    return sorted(names, key=lambda impl: 0 if plots.is_ours(impl) else 1 if plots.is_floor(impl) else 2)


def table(header, lines):
    text = "| " + " | ".join(header) + " |\n|" + "---|" * len(header) + "\n"
    return text + "".join("| " + " | ".join(line) + " |\n" for line in lines)


def tables_of(rows):
    """A table for each metric: a line for each row of a benchmark, a column for each implementation."""
    parts = []
    measured = [row for row in rows if row["metric"]]
    for metric in dict.fromkeys(row["metric"] for row in measured):
        of_metric = [row for row in measured if row["metric"] == metric]
        names = implementations_of(of_metric)
        cells = {(row["bench"], row["params"], row["impl"]): row for row in of_metric}
        lines = []
        for bench, params in dict.fromkeys((row["bench"], row["params"]) for row in of_metric):
            line = [bench, params]
            for impl in names:
                row = cells.get((bench, params, impl))
                text = plots.text_of(row["median"], row["unit"]) if row else ""
                line.append(f"**{text}**" if row and plots.is_ours(impl) else text)
            lines.append(line)
        parts.append(f"**{metric[0].upper() + metric[1:]}**\n\n" + table(["bench", ""] + names, lines))
    return "\n".join(parts)


def absent_of(rows):
    """Who is absent, and why: one line for each implementation and reason."""
    reasons = {}
    for row in rows:
        if row.get("absent"):
            reasons.setdefault((row["impl"], row["absent"]), []).append(row["bench"])
    return [f"- {impl}: {reason} ({', '.join(dict.fromkeys(benches))})" for (impl, reason), benches in reasons.items()]


def targets_of(outcomes):
    lines = []
    for outcome in outcomes:
        ratio = "" if outcome.ratio is None else f"{outcome.ratio:.2f}"
        lines.append([outcome.target.text, outcome.side(outcome.ours), outcome.theirs_text, ratio,
                      f"{outcome.target.at_most:g}", MARKS[outcome.met] if ratio else "not measured"])
    return table(["target", "ours", "theirs", "ratio", "at most", ""], lines)


def markdown(sections, outcomes, drawn, facts, versions, rounds):
    """The page. `sections` is a list of (title, rows); `drawn` {title of a section: [(file, title of a plot)]}."""
    text = "# Benchmarks: this library and its peers\n\n"
    text += ("Made by `make bench`. All figures are medians of rounds in which the implementations took turns, so that "
             "a\nnoisy minute hurts all alike; compare within this page only. What each benchmark means, how the peers "
             "are\nwritten and with what settings: [bench/README.md](../../bench/README.md).\n\n")
    text += "".join(f"- {what}: {value}\n" for what, value in facts.items())
    text += "- versions: " + ", ".join(f"{what} {version}" for what, version in versions.items()) + "\n"
    text += f"- rounds: {rounds}\n\n"
    text += "## Targets\n\nRatios of medians within this run. Where ours may be either back end, it is the better one; "
    text += "where\ntheirs are several, it is the best.\n\n" + targets_of(outcomes)
    for title, rows in sections:
        text += f"\n## {title}\n\n"
        text += "".join(f"![{words}]({file})\n\n" for file, words in drawn.get(title, ()))
        text += tables_of(rows)
        missing = absent_of(rows)
        if missing:
            text += "\nAbsent:\n\n" + "\n".join(missing) + "\n"
    return text


def draw(section_rows, wanted, folder, facts, versions):
    """Writes the plots of a section. Returns: [(file, title)]."""
    drawn = []
    for plot in wanted:
        panels = []
        rows = [row for row in section_rows if row["metric"] == plot.metric and row["bench"] in plot.benches]
        for bench, params in dict.fromkeys((row["bench"], row["params"]) for row in rows):
            words = ": ".join(word for word in (plot.benches[bench], params) if word)
            panels.append((words, [row for row in rows if (row["bench"], row["params"]) == (bench, params)]))
        if not panels:
            continue
        better = "more is better" if panels[0][1][0]["unit"] == "1/s" else "less is better"
        subtitle = f"{plot.metric}, {better}; {facts['processor']}, {facts['kernel']}"
        footer = ", ".join(f"{what} {version}" for what, version in versions.items())
        (folder / f"{plot.name}.svg").write_text(plots.chart(plot.title, subtitle, panels, footer), encoding="utf-8")
        drawn.append((f"{plot.name}.svg", plot.title))
    return drawn


# ------------------------------------------------------------------------------------------------------------ Terminal

def summary(rows, outcomes):
    """What a terminal shows at the end: each row with all who were measured, then the targets."""
    lines = []
    shown = {}
    for row in rows:
        if row["metric"]:
            shown.setdefault((row["bench"], row["params"]), {}).setdefault(row["metric"], []).append(row)
    for (bench, params), metrics in shown.items():
        metric, found = next(iter(metrics.items()))
        lines.append(f"{bench} ({params}), {metric}" if params else f"{bench}, {metric}")
        found = sorted(found, key=lambda row: row["median"], reverse=found[0]["unit"] == "1/s")
        cells = [f"{row['impl']} {plots.text_of(row['median'], row['unit'])}" for row in found]
        while cells:
            line = "   "
            while cells and len(line) + len(cells[0]) < 112:
                line += " " + cells.pop(0) + ("," if cells else "")
            lines.append(line)
    width = max((len(outcome.target.text) for outcome in outcomes), default=0)
    if outcomes:
        lines.append("")
        lines.append(f"{'target':<{width}}{'ours':>26}{'theirs':>26}{'ratio':>8}{'most':>7}")
    for outcome in outcomes:
        ratio = "-" if outcome.ratio is None else f"{outcome.ratio:.2f}"
        mark = "" if outcome.met else "  not measured" if outcome.ratio is None else "  missed"
        lines.append(f"{outcome.target.text:<{width}}{outcome.side(outcome.ours):>26}{outcome.theirs_text:>26}"
                     f"{ratio:>8}{outcome.target.at_most:>7g}{mark}")
    lines += [f"absent {line[2:]}" for line in absent_of(rows)]
    return "\n".join(lines)
