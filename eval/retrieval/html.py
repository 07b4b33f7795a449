"""A run of retrieval → one HTML page that needs nothing from anywhere else: plots, a table, what went wrong.

Questions and passages are data: everything that comes from them is escaped.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from itertools import groupby
from typing import Any

from eval.metrics import MEASURES
from eval.retrieval.sets import STEM, WORD

PLOTTED = ("hit@1", "hit@5", "ndcg@10")
# Where the first right answer stands; the last band is for none among those ranked.
BANDS = (("1", 1), ("2–3", 3), ("4–5", 5), ("6–10", 10))
MISSED = "not found"

# Plots, in their own units; the page scales them.
WIDTH, LABEL, RIGHT = 430, 132, 52
ROW, LANE, TOP, BOTTOM = 12, 15, 8, 26

STYLE = """
:root{color-scheme:light dark;--bg:#fff;--fg:#1d1d1f;--dim:#6e6e73;--line:#d9d9de;--soft:#f5f5f7;
--hybrid:#0062c4;--lexical:#c25100;--dense:#6d7a1c;--right:#1b7a3d;--mark:#ffe89a;
--b0:#1b7a3d;--b1:#6fb98a;--b2:#b9dcc5;--b3:#e6dfb0;--b4:#d7776b}
@media(prefers-color-scheme:dark){:root{--bg:#161618;--fg:#e8e8ed;--dim:#98989d;--line:#3a3a3c;--soft:#222225;
--hybrid:#6cb4ff;--lexical:#ff9f5a;--dense:#c3d36b;--right:#6fd694;--mark:#5c4d12;
--b0:#3aa765;--b1:#2c7a4b;--b2:#245238;--b3:#6a6132;--b4:#a84a40}}
*{box-sizing:border-box}
body{margin:0 auto;max-width:1320px;padding:1.5rem;background:var(--bg);color:var(--fg);
font:15px/1.6 system-ui,-apple-system,"Apple SD Gothic Neo","Malgun Gothic","Noto Sans KR","Noto Sans CJK KR",sans-serif}
h1{font-size:1.5rem;margin:0 0 .25rem}h2{font-size:1.15rem;margin:2.5rem 0 .75rem}
p{margin:.25rem 0 .75rem}.dim,.crumb{color:var(--dim)}
.plots{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,400px),1fr));gap:1.25rem}
figure{margin:0;padding:.75rem;border:1px solid var(--line);border-radius:10px}
figcaption{font-weight:600;margin-bottom:.25rem}
svg{display:block;width:100%;height:auto}
svg text{font:12px system-ui,"Apple SD Gothic Neo","Malgun Gothic","Noto Sans KR","Noto Sans CJK KR",sans-serif;fill:var(--fg)}
svg .dim{fill:var(--dim)}svg .grid{stroke:var(--line)}
svg .whisker{stroke-width:2;stroke-linecap:round}
.hybrid{color:var(--hybrid)}.lexical{color:var(--lexical)}.dense{color:var(--dense)}
svg .hybrid,svg .lexical,svg .dense{fill:currentColor;stroke:currentColor}
svg text.on{fill:var(--fg);stroke:none}
.legend{display:flex;flex-wrap:wrap;gap:.4rem 1.1rem;margin:.5rem 0 1rem}
.legend b{display:inline-block;width:.85em;height:.85em;border-radius:50%;background:currentColor;margin-right:.4em}
.legend b.box{border-radius:2px}
.wide{overflow-x:auto}
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}
th,td{padding:.3rem .6rem;text-align:right;border-bottom:1px solid var(--line);white-space:nowrap}
th{font-weight:600;background:var(--soft)}th:first-child,td:first-child,th:nth-child(2),td:nth-child(2){text-align:left}
td small{display:block;color:var(--dim);font-size:.78em;line-height:1.2}
details{border:1px solid var(--line);border-radius:10px;margin:.6rem 0;padding:0 1rem}
summary{cursor:pointer;padding:.6rem 0;font-weight:600}
summary .dim{font-weight:400}
article{border-top:1px solid var(--line);padding:.9rem 0}
article h3{font-size:1rem;margin:0 0 .25rem}
ol{margin:.5rem 0 0;padding:0;list-style:none;display:grid;gap:.5rem}
li{padding:.45rem .75rem;border-left:4px solid var(--line);background:var(--soft);border-radius:0 8px 8px 0}
li.gold{border-left-color:var(--right)}
li .head{display:flex;flex-wrap:wrap;gap:0 .8rem;align-items:baseline}
li .head b{min-width:1.2em}
.gold .yes,.want b{color:var(--right);font-weight:600}
.text{white-space:pre-wrap;overflow-wrap:anywhere;font-size:.92em;margin-top:.15rem}
mark{background:var(--mark);color:inherit;border-radius:2px}
"""


def html_report(result: Mapping[str, Any]) -> str:
    """The report of a run file as an HTML page."""
    runs = result["runs"]
    modes = list(dict.fromkeys(run["mode"] for run in runs))
    facts = " · ".join(escape(f"{name} {value}") for name, value in result["machine"].items())
    corpora = "".join(f"<p class=dim>{escape(_corpus(one))}</p>" for one in result["corpora"].values())
    plots = "".join(_measure_plot(runs, measure) for measure in PLOTTED)
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>Retrieval</title><style>{STYLE}</style></head><body>"
        f"<h1>Retrieval</h1><p class=dim>{facts}</p>{corpora}"
        f"<h2>Measures</h2>{_mode_legend(modes)}<div class=plots>{plots}</div>"
        "<p class=dim>Lines are 95 % bootstrap intervals over the questions.</p>"
        f"<h2>At which rank the right answer stands first</h2>{_band_legend()}"
        f"<figure>{_rank_plot(runs)}</figure>"
        f"<h2>All numbers</h2><p class=dim>By rewording: what another spacing of the same questions changes in nDCG@10, paired.</p><div class=wide>{_table(runs)}</div>"
        f"<h2>What went worst</h2><p class=dim>By nDCG@10; of equals a sample. "
        f"What is right is green, words of the question are marked.</p>{''.join(map(_worst, runs))}"
        "</body></html>\n"
    )


def _corpus(status: Mapping[str, Any]) -> str:
    return (
        f"{status['index']}: {status['documents']:,} documents, {status['pages']:,} pages, "
        f"{status['chunks']:,} chunks · {status['embedder']} · {status['analyser']} · {status['tokenizer']}"
    )


# plots


def _mode_legend(modes: Iterable[str]) -> str:
    items = "".join(f'<span><b class="{escape(mode)}"></b>{escape(mode)}</span>' for mode in modes)
    return f"<div class=legend>{items}</div>"


def _band_legend() -> str:
    names = [*(f"rank {name}" for name, _ in BANDS), MISSED]
    items = "".join(
        f'<span><b class=box style="background:var(--b{band})"></b>{name}</span>'
        for band, name in enumerate(names)
    )
    return f"<div class=legend>{items}</div>"


def _measure_plot(runs: Sequence[Mapping[str, Any]], measure: str) -> str:
    """A dot with its interval for each run, a lane for each mode of a set."""
    low = min(run["measures"][measure]["low"] for run in runs)
    floor, step = max(0.0, int(low * 5) / 5), 0.2
    parts, y = [], TOP
    for name, group in _by_set(runs):
        parts.append(_text(LABEL - 10, y + LANE * len(group) / 2 + 4, name, "end"))
        for run in group:
            values = run["measures"][measure]
            at, left, right = (_x(values[key], floor) for key in ("mean", "low", "high"))
            middle = y + LANE / 2
            mode, number = escape(run["mode"]), f"{values['mean']:.3f}"
            parts.append(
                f'<g class="{mode}"><line class=whisker x1="{left:.1f}" x2="{right:.1f}" y1="{middle}" y2="{middle}"/>'
                f'<circle cx="{at:.1f}" cy="{middle}" r="4"/>'
                f"{_text(WIDTH - RIGHT + 12, middle + 4, number, 'start', 'on')}"
                f"<title>{escape(run['set'])} {mode}: {number} ({values['low']:.3f}–{values['high']:.3f})"
                "</title></g>"
            )
            y += LANE
        y += ROW
        parts.append(f'<line class=grid x1="0" x2="{WIDTH}" y1="{y - ROW / 2}" y2="{y - ROW / 2}"/>')
    ticks = [floor + step * number for number in range(round((1 - floor) / step) + 1)]
    axis = "".join(
        f'<line class=grid x1="{_x(tick, floor):.1f}" x2="{_x(tick, floor):.1f}" y1="{TOP}" y2="{y}"/>'
        + _text(_x(tick, floor), y + 16, f"{tick:.1f}", "middle", "dim")
        for tick in ticks
    )
    return (
        f"<figure><figcaption>{escape(measure)}</figcaption>"
        f'<svg viewBox="0 0 {WIDTH} {y + BOTTOM}" role=img aria-label="{escape(measure)}">'
        f"{axis}{''.join(parts)}</svg></figure>"
    )


def _rank_plot(runs: Sequence[Mapping[str, Any]]) -> str:
    """A bar for each run, cut by the rank of the first right answer."""
    width, label = 3 * WIDTH, LABEL + 60
    parts, y = [], TOP
    for name, group in _by_set(runs):
        parts.append(_text(label - 72, y + LANE * len(group) / 2 + 4, name, "end"))
        for run in group:
            parts.append(_text(label - 10, y + 12, run["mode"], "end", "dim"))
            left = float(label)
            for band, share in enumerate(band_shares(run["results"])):
                size = share * (width - label - 10)
                parts.append(
                    f'<rect x="{left:.1f}" y="{y + 2}" width="{size:.1f}" height="{LANE - 4}" fill="var(--b{band})">'
                    f"<title>{[*(f'rank {b}' for b, _ in BANDS), MISSED][band]}: {share:.1%}</title></rect>"
                )
                left += size
            y += LANE
        y += ROW
    return f'<svg viewBox="0 0 {width} {y}" role=img aria-label="ranks">{"".join(parts)}</svg>'


def band_shares(results: Sequence[Mapping[str, Any]]) -> list[float]:
    """The share of the questions whose first right answer is in each of BANDS; last, in none."""
    counts = [0] * (len(BANDS) + 1)
    for result in results:
        rank = next((i for i, unit in enumerate(result["ranking"], start=1) if unit in result["gold"]), None)
        band = next((i for i, (_, last) in enumerate(BANDS) if rank and rank <= last), len(BANDS))
        counts[band] += 1
    return [count / max(1, len(results)) for count in counts]


def _x(value: float, floor: float) -> float:
    return LABEL + (value - floor) / (1 - floor or 1) * (WIDTH - LABEL - RIGHT)


def _text(x: float, y: float, text: str, anchor: str, kind: str = "") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" class="{kind}">{escape(text)}</text>'


def _by_set(runs: Sequence[Mapping[str, Any]]) -> list[tuple[str, list[Mapping[str, Any]]]]:
    return [(name, list(group)) for name, group in groupby(runs, key=lambda run: run["set"])]


# table


def _table(runs: Sequence[Mapping[str, Any]]) -> str:
    names = (
        "set",
        "mode",
        "unit",
        "questions",
        *MEASURES,
        "by rewording",
        "ms a question",
    )
    head = "".join(f"<th>{escape(name)}</th>" for name in names)
    return f"<table><tr>{head}</tr>{''.join(map(_table_row, runs))}</table>"


def _table_row(run: Mapping[str, Any]) -> str:
    measured = "".join(
        f"<td>{values['mean']:.3f}<small>{values['low']:.3f}–{values['high']:.3f}</small></td>"
        for values in run["measures"].values()
    )
    lost = f"<small>{len(run['unplaced']):,} texts not in the index</small>" if run["unplaced"] else ""
    cells = (run["set"], f'<span class="{escape(run["mode"])}">{escape(run["mode"])}</span>', run["unit"])
    return (
        f"<tr><td>{escape(cells[0])}{lost}</td><td>{cells[1]}</td><td>{escape(cells[2])}</td>"
        f"<td>{run['questions']:,}</td>{measured}<td>{_change(run)}</td><td>{run['ms_per_question']:.1f}</td></tr>"
    )


def _change(run: Mapping[str, Any]) -> str:
    """What another wording of the same questions costs, where this is one."""
    change = run.get("against_base", {}).get("measures", {}).get("ndcg@10")
    if change is None:
        return ""
    return f"{change['difference']:+.3f}<small>{change['low']:+.3f} to {change['high']:+.3f}</small>"


# what went wrong


def _worst(run: Mapping[str, Any]) -> str:
    if not run["worst"]:
        return ""
    below = sum(band_shares(run["results"])[1:])
    return (
        f'<details><summary>{escape(run["set"])} <span class="{escape(run["mode"])}">{escape(run["mode"])}</span> '
        f"<span class=dim>{below:.1%} of {run['questions']:,} not at rank 1; {len(run['worst'])} shown</span></summary>"
        f"{''.join(map(_question, run['worst']))}</details>"
    )


def _question(question: Mapping[str, Any]) -> str:
    wanted = " · ".join(
        escape(f"{gold['id'] or gold['file'].rpartition('/')[2]} ({_pages(gold)})")
        for gold in question["gold"]
    )
    answers = escape(" / ".join(question["answers"]))
    stems = {word[:STEM] for word in WORD.findall(question["question"])}
    returned = "".join(_returned(rank, one, stems) for rank, one in enumerate(question["returned"], start=1))
    return (
        f'<article lang="ko"><h3>{escape(question["question"])}</h3>'
        f"<div class=want><b>✓ {wanted}</b> <span class=dim>{answers}</span></div>"
        f"<ol>{returned or '<li>–</li>'}</ol></article>"
    )


def _returned(rank: int, one: Mapping[str, Any], stems: Iterable[str]) -> str:
    right = one["right"]
    return (
        f'<li class="{"gold" if right else ""}"><div class=head><b>{rank}</b>'
        f"<span>{escape(one['title'])}, {_pages(one)}</span>"
        f"<span class=dim>{one['score']:.3f}</span>{'<span class=yes>✓</span>' if right else ''}"
        f"<span class=crumb>{escape(one['context'])}</span></div>"
        f"<div class=text>{marked(one['text'], stems)}</div></li>"
    )


def _pages(place: Mapping[str, Any]) -> str:
    first, last = place["first_page"], place["last_page"]
    return f"p. {first}" if first == last else f"pp. {first}–{last}"


def marked(text: str, stems: Iterable[str]) -> str:
    """`text` as HTML, words that begin with one of `stems` marked."""
    pattern = "|".join(sorted(map(re.escape, stems)))
    if not pattern:
        return escape(text)
    pieces = re.split(f"({pattern})", text)
    return "".join(
        f"<mark>{escape(piece)}</mark>" if i % 2 else escape(piece) for i, piece in enumerate(pieces)
    )
