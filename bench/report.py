"""What the benchmarks print and write: a line per result, tables in a page between markers, and a plot as SVG, drawn here."""
import json
import os
import sys

NAMES = {"kclient": "kclient", "librdkafka": "librdkafka", "java": "Java", "franz": "franz-go"}
BROKERS = {"mock": "mockbroker", "kafka": "Apache Kafka"}
COLORS = {"kclient": "#2f7ed8", "librdkafka": "#d9822b", "java": "#8a8f98", "franz": "#3a9d6e"}  # readable on white and on black
INK = "#808890"
# What a topic keeps while it is produced to.  A broker in memory that keeps all of a run is measured by how the system hands out fresh pages, which
# is half of its time; this is more than the caches of a processor hold, and soon used anew.
KEPT_BYTES = 96 << 20


def host():
    with open("/proc/cpuinfo", encoding="utf-8") as f:
        model = next((line.split(":", 1)[1].strip() for line in f if line.startswith("model name")), "unknown processor")
    return f"{os.cpu_count()} x {model}"


def shown_arguments():
    """Those of the command line without what ./dev adds."""
    return [a for i, a in enumerate(sys.argv[1:]) if not ("--bin" in (a, sys.argv[i]) or "--kafka" in (a, sys.argv[i]))]


def about(arguments, clients, missing):
    return {"command": " ".join(["./dev bench matrix", *shown_arguments()]), "host": host(), "runs": arguments.runs, "seconds": arguments.seconds,
            "clients": list(clients), "missing": missing, "kafka": os.path.basename(os.path.normpath(arguments.kafka))}


def label(c):
    """What a cell is about, without what it does."""
    if c["what"] == "latency":
        return "10,000 records/s, linger 0"
    parts = [f"{c['size']:,} bytes"]
    if c["codec"] != "none":
        parts.append(c["codec"])
    if c["partitions"] != 12:
        parts.append(f"{c['partitions']:,} partition" + ("s" if c["partitions"] > 1 else ""))
    if c["threads"] != 1:
        parts.append(f"{c['threads']} threads")
    return ", ".join(parts)


def rate(c):
    return f"{c['records_per_s'] / 1e6:.2f} M/s" if c["records_per_s"] >= 1e5 else f"{c['records_per_s'] / 1e3:.1f} k/s"


def line(c):
    text = f"{BROKERS[c['broker']]:12} {NAMES[c['client']]:10} {c['what']:7} {label(c):32} "
    if "failed" in c:
        return text + "failed: " + c["failed"]
    if c["what"] == "latency":
        return text + f"p50 {c['p50_us']:.0f} us  p99 {c['p99_us']:.0f} us"
    return text + f"{rate(c):>11} {c['mb_per_s']:7.0f} MB/s  {c['cpu_ns']:7.0f} ns cpu/record  broker {c['broker_cpu_ns']:5.0f} ns"


def read(path):
    told, cells = {}, {}
    with open(path, encoding="utf-8") as f:
        for text in f:
            c = json.loads(text)
            if "about" in c:
                told = c["about"]
                continue
            cells.setdefault((c["broker"], c["what"], label(c)), {})[c["client"]] = c
    return told, cells


def cell_text(c, ours, value, show):
    """The figure and, of another client, how many times ours is better: more per second or less of time."""
    if not c or "failed" in c:
        return "failed" if c else "-"
    text = show(c)
    if c["client"] == "kclient" or not ours or "failed" in ours:
        return text
    ratio = value(ours) / max(1e-9, value(c))
    return text + f" (x{ratio:.1f})" if value(c) > 0 else text


def table(cells, broker, what, clients, value, show, heading):
    rows = {name: by_client for (b, w, name), by_client in cells.items() if b == broker and w == what}
    if not rows:
        return ""
    text = f"| {heading} | " + " | ".join(NAMES[c] for c in clients) + " |\n|---|" + "---|" * len(clients) + "\n"
    for name, by_client in rows.items():
        figures = [cell_text(by_client.get(c), by_client.get("kclient"), value, show) for c in clients]
        text += f"| {name} | " + " | ".join(figures) + " |\n"
    return text + "\n"


def matrix_text(told, cells, plot):
    clients = told["clients"]
    text = f"""Written by `{told['command']}` on {told['host']}, where client and broker share the processors; medians of at most {told['runs']} runs of
{told['seconds']} s, the clients in turn. `acks=all`, idempotence, `linger.ms=5`; 12 partitions, one application thread and no codec where a row says nothing
else. Behind each figure of another client: how many times better kclient's is. `bench/matrix.py` says how it is measured.

![the same as a plot]({plot})

"""
    for name, why in told["missing"].items():
        text += f"{NAMES[name]} was left out: {why}.\n\n"
    for broker in ("mock", "kafka"):
        if not any(b == broker for b, _, _ in cells):
            continue
        text += f"### On {BROKERS[broker]}{' ' + told['kafka'] if broker == 'kafka' else ''}\n\n"
        for what in ("produce", "consume"):
            text += table(cells, broker, what, clients, lambda c: c["records_per_s"], lambda c: f"{rate(c)}, {c['mb_per_s']:.0f} MB/s", f"{what}, records per second")
            text += table(cells, broker, what, clients, lambda c: 1 / max(1, c["cpu_ns"]), lambda c: f"{c['cpu_ns']:,.0f} ns", f"{what}, the client's processor time per record")
        for key in ("p50_us", "p99_us"):
            text += table(cells, broker, "latency", clients, lambda c, k=key: 1 / max(1, c[k]), lambda c, k=key: f"{c[k]:,.0f} us", f"latency to the report, {key[:3]}")
    return text


def plot_svg(cells, clients):
    """Groups of bars for each size of value: records per second on mockbroker (or what there is), relative to the best, a panel for each of produce and consume."""
    brokers = [b for b in ("mock", "kafka") if any(key[0] == b for key in cells)]
    panels = [(b, w) for b in brokers for w in ("produce", "consume")]
    width, height, left, top = 330, 150, 20, 34
    svg = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {2 * width} {height * len(brokers) + top}" font-family="sans-serif" font-size="10">']
    for i, client in enumerate(clients):
        svg.append(f'<rect x="{left + i * 90}" y="6" width="9" height="9" fill="{COLORS[client]}"/>'
                   f'<text x="{left + i * 90 + 13}" y="14" fill="{INK}">{NAMES[client]}</text>')
    for index, (broker, what) in enumerate(panels):
        x0, y0 = left + (index % 2) * width, top + index // 2 * height
        rows = [(n, c) for (b, w, n), c in cells.items() if (b, w) == (broker, what) and n.endswith("bytes")]
        svg.append(f'<text x="{x0}" y="{y0 + 4}" fill="{INK}" font-weight="bold">{what}, {BROKERS[broker]}: MB/s by size of value</text>')
        best = max((c["mb_per_s"] for _, by in rows for c in by.values() if "mb_per_s" in c), default=1)
        base, room = y0 + height - 34, height - 60
        group = (width - 2 * left) / max(1, len(rows))
        bar = group * 0.8 / len(clients)
        for g, (name, by_client) in enumerate(sorted(rows, key=lambda r: int(r[0].split()[0].replace(",", "")))):
            for k, client in enumerate(clients):
                value = by_client.get(client, {}).get("mb_per_s", 0)
                size = max(0.5, room * value / best)
                x = x0 + g * group + k * bar
                svg.append(f'<rect x="{x:.1f}" y="{base - size:.1f}" width="{bar - 1:.1f}" height="{size:.1f}" fill="{COLORS[client]}"/>')
                if value:
                    svg.append(f'<text x="{x + bar / 2:.1f}" y="{base - size - 2:.1f}" fill="{INK}" font-size="7" text-anchor="middle">{value:.0f}</text>')
            svg.append(f'<text x="{x0 + g * group + group * 0.4:.1f}" y="{base + 12}" fill="{INK}" text-anchor="middle">{name}</text>')
        svg.append(f'<line x1="{x0}" y1="{base}" x2="{x0 + width - 2 * left}" y2="{base}" stroke="{INK}"/>')
    return "\n".join([*svg, "</svg>"]) + "\n"


def between_markers(page, name, text):
    """Replaces what stands between the page's markers of that name; they are put at its end if it has none."""
    begin, end = f"<!-- {name}: written by a command -->", f"<!-- end of {name} -->"
    old = ""
    if os.path.exists(page):
        with open(page, encoding="utf-8") as f:
            old = f.read()
    if begin not in old:
        old = old.rstrip("\n") + f"\n\n{begin}\n{end}\n"
    head, rest = old.split(begin, 1)
    tail = rest.split(end, 1)[1]
    with open(page, "w", encoding="utf-8") as f:
        f.write(f"{head}{begin}\n{text.rstrip()}\n{end}{tail}")


def write_matrix(page, results):
    told, cells = read(results)
    plot = os.path.splitext(os.path.basename(page))[0] + ".svg"
    with open(os.path.join(os.path.dirname(page), plot), "w", encoding="utf-8") as f:
        f.write(plot_svg(cells, told["clients"]))
    between_markers(page, "matrix", matrix_text(told, cells, plot))
