// Renders a ranking. A run is {query, documents, columns}; a column holds one model's
// results so far:
//   {model, results, scored, tokens, ms, error, note, marks, shown, open, keep}
// results are sorted best first; marks maps indices to highlights; shown is the number of
// cards, open the indices of cards showing their full text, keep the slider position.

import { count, kendall, number, share } from "./compare.js";

export const page = 50; // cards shown initially, and added at a time

export function element(tag, properties = {}, ...children) {
  const e = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name.includes("-") || name === "role") e.setAttribute(name, value);
    else e[name] = value;
  }
  e.append(...children);
  return e;
}

function bar(length) {
  const svg = (tag, attributes) => {
    const e = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [name, value] of Object.entries(attributes)) e.setAttribute(name, value);
    return e;
  };
  const s = svg("svg", { viewBox: "0 0 100 1", preserveAspectRatio: "none", "aria-hidden": "true" });
  s.append(svg("rect", { width: (100 * length).toFixed(2), height: 1 }));
  return s;
}

// Characters put into the page of a text that is not open.
const glimpse = 600;

// textParts splits a document's text into nodes that mark its best sentence and what the
// model did not read. Offsets count code points, not UTF-16 units.
function textParts(text, mark, read, open) {
  const characters = [...text];
  let from = 0, to = characters.length;
  if (!open) {
    if (mark && mark.start > 120) from = mark.start; // otherwise it would be out of sight
    to = Math.min(to, from + glimpse);
  }
  const some = [from, to, mark?.start, mark?.end, read?.start, read?.end].filter((p) => p >= from && p <= to);
  const places = [...new Set(some)].sort((a, b) => a - b);
  const parts = from > 0 ? ["… "] : [];
  places.forEach((at, i) => {
    const next = places[i + 1];
    if (at === read?.end && at < characters.length) parts.push(" ", element("span", { className: "cut" }, "✂ truncated here"), " ");
    if (next === undefined) return;
    const piece = characters.slice(at, next).join("");
    if (mark && at >= mark.start && next <= mark.end) parts.push(element("mark", { title: `score on its own: ${number(mark.score)}` }, piece));
    else if (read && (at < read.start || at >= read.end)) parts.push(element("span", { className: "unread" }, piece));
    else parts.push(piece);
    if (next === read?.start) parts.push(" ", element("span", { className: "cut" }, "✂ truncated up to here"), " ");
  });
  return { parts: to < characters.length ? [...parts, " …"] : parts, whole: from === 0 && to === characters.length, length: characters.length };
}

function move(places, other) {
  if (places === 0) return element("span", { className: "move" }, "=", element("span", { className: "visually-hidden" }, `, same rank as with ${other}`));
  const up = places > 0;
  return element("span", { className: up ? "move up" : "move down" }, `${up ? "▲" : "▼"}${Math.abs(places)}`,
    element("span", { className: "visually-hidden" }, `, ${count(Math.abs(places), "place")} ${up ? "higher" : "lower"} than with ${other}`));
}

function card(run, column, place, { range, bars, before, redraw }) {
  const result = column.results[place];
  const { text, id, kind, position } = run.documents[result.index];
  const head = element("div", { className: "score" }, element("span", { className: "place" }, `${place + 1}.`));
  if (before) head.append(move(before.places.get(result.index) - place, before.model));
  head.append(bar(share(result, range, bars)), element("span", { className: "number" }, number(result.score)));

  const item = element("li", {}, head);
  item.dataset.index = result.index;
  const open = column.open.has(result.index);
  const { parts, whole, length } = textParts(text, column.marks.get(result.index), result.read, open);
  const paragraph = element("p", { className: open ? "text" : "text short" }, ...parts);
  const more = element("button", { type: "button", className: "link more", "aria-expanded": String(open) },
    open ? "less" : "more", element("span", { className: "visually-hidden" }, ` of ${kind} ${position}`));
  more.hidden = whole && !open; // until settle knows whether it exceeds three lines
  more.addEventListener("click", () => {
    if (!column.open.delete(result.index)) column.open.add(result.index);
    const again = card(run, column, place, { range, bars, before, redraw });
    item.replaceWith(again);
    settle(again);
    again.classList.toggle("below", item.classList.contains("below"));
    again.querySelector(".more").hidden = false;
    again.querySelector(".more").focus();
  });
  const facts = [`${kind} ${position}`];
  if (id) facts.push(`id ${id}`);
  facts.push(`logit ${result.logit.toFixed(2)}`);
  if (result.read) facts.push(`${Math.round((100 * (result.read.end - result.read.start)) / length)} % read`);
  item.append(paragraph, element("div", { className: "facts" }, element("span", {}, facts.join(" · ")), more));
  return item;
}

// settle shows "more" where the text exceeds three lines, which is known only after layout.
function settle(node) {
  const cut = [...node.querySelectorAll(".short")].filter((p) => p.scrollHeight > p.clientHeight + 1);
  for (const p of cut) p.parentElement.querySelector(".more").hidden = false;
}

const rangeOf = (results) => ({ high: results[0].logit, low: results.at(-1).logit });

// kept returns how many of a column's results its slider keeps: all at the left end, none
// at the right.
const steps = 1000;

function kept({ results, keep }) {
  if (keep === 0 || results.length === 0) return results.length;
  if (keep === steps) return 0;
  const { high, low } = rangeOf(results);
  const least = Math.min(high, low + ((high - low) * keep) / (steps - 1));
  return results.filter((r) => r.logit >= least).length;
}

// threshold returns a slider that shows which of a column's results a threshold would keep.
function threshold(column, list, id) {
  const said = element("output", { htmlFor: id });
  const slider = element("input", { type: "range", id, min: 0, max: steps, step: 1, value: column.keep });
  const apply = () => {
    const n = kept(column);
    said.textContent = `${n} of ${column.results.length}` + (n > 0 && n < column.results.length ? `, score ≥ ${number(column.results[n - 1].score)}` : "");
    list.querySelectorAll("li").forEach((li, i) => li.classList.toggle("below", i >= n));
  };
  slider.addEventListener("input", () => {
    column.keep = Number(slider.value);
    apply();
  });
  apply();
  return element("div", { className: "threshold" }, element("label", { htmlFor: id }, "Keep"), slider, said);
}

function columnNode(run, column, context) {
  const { scored, tokens, ms, results } = column;
  const node = element("div", { className: "column" }, element("h2", {}, column.model));
  const total = run.documents.length;
  const facts = [scored < total ? `${scored.toLocaleString("en")} of ${count(total, "document")}` : count(total, "document"), count(tokens, "token"), `${ms.toFixed(1)} ms`];
  if (scored > 0 && ms > 0) facts.push(`${Math.round((1000 * scored) / ms).toLocaleString("en")} documents/s`);
  node.append(element("p", { className: "note" }, scored > 0 ? facts.join(", ") : "…"));
  for (const text of [column.error, column.note]) if (text) node.append(element("p", { className: "error" }, text));
  if (results.length === 0) return node;
  const range = rangeOf(results);
  const list = element("ol", { className: "ranking" });
  for (let i = 0; i < Math.min(column.shown, results.length); i++) list.append(card(run, column, i, { ...context, range }));
  node.append(threshold(column, list, `threshold-${run.columns.indexOf(column)}`), list);
  if (results.length > column.shown) {
    const rest = results.length - column.shown;
    const more = element("button", { type: "button", className: "next" }, `Show ${Math.min(page, rest)} more (${rest.toLocaleString("en")} left)`);
    more.addEventListener("click", () => context.more(column));
    node.append(more);
  }
  return node;
}

const placesOf = (column) => new Map(column.results.map((r, i) => [r.index, i]));

// agreement describes how two models' rankings and times compare.
function agreement(run) {
  const [a, b] = run.columns;
  if (!b || a.scored !== run.documents.length || b.scored !== a.scored) return "";
  const tau = kendall(a.results.map((r) => r.index), b.results.map((r) => r.index));
  const [quick, slow] = a.ms <= b.ms ? [a, b] : [b, a];
  return `Kendall’s τ: ${tau.toFixed(3)}. ${quick.model} took ${quick.ms.toFixed(1)} ms, ${slow.model} ${(slow.ms / quick.ms).toFixed(1)} times as long.`;
}

// show replaces the contents of where with a run. actions is {bars, more}: what the bars
// show, and the function that shows more cards of a column.
export function show(where, run, actions) {
  const [first, second] = run.columns;
  const columns = run.columns.map((c) => {
    const before = c === second && first.results.length > 0 && first.scored === c.scored ? { model: first.model, places: placesOf(first) } : null;
    return columnNode(run, c, { ...actions, before });
  });
  where.replaceChildren(
    element("p", { className: "asked" }, `Results for “${run.query}”. ${agreement(run)}`),
    element("div", { className: "columns" }, ...columns));
  settle(where);
}

// rowsOf returns the results in the form of an export.
export function rowsOf(run) {
  return run.columns.flatMap((c) => {
    const n = kept(c);
    return c.results.map((r, i) => {
      const d = run.documents[r.index];
      return { model: c.model, rank: i + 1, position: d.position, id: d.id ?? "", score: r.score, logit: r.logit,
        kept: i < n, read_start: r.read?.start ?? "", read_end: r.read?.end ?? "", text: d.text };
    });
  });
}

export function toCSV(rows) {
  const cell = (v) => (/[",\n\r]/.test(v) ? `"${String(v).replaceAll('"', '""')}"` : String(v));
  const names = Object.keys(rows[0] ?? {});
  return [names, ...rows.map((r) => names.map((n) => r[n]))].map((r) => r.map(cell).join(",") + "\r\n").join("");
}
