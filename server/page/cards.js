// The ranking as it is shown. A run is {query, documents, columns}; a column is what one
// model has made of it so far:
//   {model, results, scored, tokens, ms, error, note, marks, shown, open, keep}
// results are best first; marks are highlights by index; shown is how many cards there are,
// open the indices of those that show their whole text, keep the place of the slider from
// which on results are kept.

import { count, kendall, number, share } from "./compare.js";

export const page = 50; // cards that are shown at first, and more at a time

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

// Of a text that is not open only so much is put into the page at all.
const glimpse = 600;

// textParts are a document's text with its best sentence marked, and what the model did not
// read. Their places are in characters, of which JavaScript's strings may have two for one.
function textParts(text, mark, read, open) {
  const characters = [...text];
  let from = 0, to = characters.length;
  if (!open) {
    if (mark && mark.start > 120) from = mark.start; // or it would not be seen
    to = Math.min(to, from + glimpse);
  }
  const some = [from, to, mark?.start, mark?.end, read?.start, read?.end].filter((p) => p >= from && p <= to);
  const places = [...new Set(some)].sort((a, b) => a - b);
  const parts = from > 0 ? ["… "] : [];
  places.forEach((at, i) => {
    const next = places[i + 1];
    if (at === read?.end && at < characters.length) parts.push(" ", element("span", { className: "cut" }, "✂ the model read no further"), " ");
    if (next === undefined) return;
    const piece = characters.slice(at, next).join("");
    if (mark && at >= mark.start && next <= mark.end) parts.push(element("mark", { title: `by itself ${number(mark.score)}` }, piece));
    else if (read && (at < read.start || at >= read.end)) parts.push(element("span", { className: "unread" }, piece));
    else parts.push(piece);
    if (next === read?.start) parts.push(" ", element("span", { className: "cut" }, "✂ the model read from here"), " ");
  });
  return { parts: to < characters.length ? [...parts, " …"] : parts, whole: from === 0 && to === characters.length, length: characters.length };
}

function move(places, other) {
  if (places === 0) return element("span", { className: "move" }, "=", element("span", { className: "visually-hidden" }, `, as with ${other}`));
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
  more.hidden = whole && !open; // until it is known whether it has more than three lines
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
  if (result.read) facts.push(`read ${Math.round((100 * (result.read.end - result.read.start)) / length)} % of it`);
  item.append(paragraph, element("div", { className: "facts" }, element("span", {}, facts.join(" · ")), more));
  return item;
}

// settle shows "more" where three lines are not enough, which is known when the cards are on
// the page.
function settle(node) {
  const cut = [...node.querySelectorAll(".short")].filter((p) => p.scrollHeight > p.clientHeight + 1);
  for (const p of cut) p.parentElement.querySelector(".more").hidden = false;
}

const rangeOf = (results) => ({ high: results[0].logit, low: results.at(-1).logit });

// kept is how many of a column's results its slider keeps: all at its left end, none at its
// right one.
const steps = 1000;

function kept({ results, keep }) {
  if (keep === 0 || results.length === 0) return results.length;
  if (keep === steps) return 0;
  const { high, low } = rangeOf(results);
  const least = Math.min(high, low + ((high - low) * keep) / (steps - 1));
  return results.filter((r) => r.logit >= least).length;
}

// threshold is a slider that shows what would be kept of a column.
function threshold(column, list, id) {
  const said = element("output", { htmlFor: id });
  const slider = element("input", { type: "range", id, min: 0, max: steps, step: 1, value: column.keep });
  const apply = () => {
    const n = kept(column);
    said.textContent = `${n} of ${column.results.length}` + (n > 0 && n < column.results.length ? `, from ${number(column.results[n - 1].score)} up` : "");
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
  if (scored > 0 && ms > 0) facts.push(`${Math.round((1000 * scored) / ms).toLocaleString("en")} a second`);
  node.append(element("p", { className: "note" }, scored > 0 ? facts.join(", ") : "…"));
  for (const text of [column.error, column.note]) if (text) node.append(element("p", { className: "error" }, text));
  if (results.length === 0) return node;
  const range = rangeOf(results);
  const list = element("ol", { className: "ranking" });
  for (let i = 0; i < Math.min(column.shown, results.length); i++) list.append(card(run, column, i, { ...context, range }));
  node.append(threshold(column, list, `threshold-${run.columns.indexOf(column)}`), list);
  if (results.length > column.shown) {
    const rest = results.length - column.shown;
    const more = element("button", { type: "button", className: "next" }, `${Math.min(page, rest)} more of ${rest.toLocaleString("en")}`);
    more.addEventListener("click", () => context.more(column));
    node.append(more);
  }
  return node;
}

const placesOf = (column) => new Map(column.results.map((r, i) => [r.index, i]));

// agreement says how two models' rankings and times compare.
function agreement(run) {
  const [a, b] = run.columns;
  if (!b || a.scored !== run.documents.length || b.scored !== a.scored) return "";
  const tau = kendall(a.results.map((r) => r.index), b.results.map((r) => r.index));
  const [quick, slow] = a.ms <= b.ms ? [a, b] : [b, a];
  return `Kendall’s τ is ${tau.toFixed(3)}; ${quick.model} took ${quick.ms.toFixed(1)} ms, ${slow.model} ${(slow.ms / quick.ms).toFixed(1)} times that.`;
}

// show puts a run into the page, in the place of what was there. actions are {bars, more}:
// what bars go by, and what happens when more cards are wanted.
export function show(where, run, actions) {
  const [first, second] = run.columns;
  const columns = run.columns.map((c) => {
    const before = c === second && first.results.length > 0 && first.scored === c.scored ? { model: first.model, places: placesOf(first) } : null;
    return columnNode(run, c, { ...actions, before });
  });
  where.replaceChildren(
    element("p", { className: "asked" }, `For “${run.query}”. ${agreement(run)}`),
    element("div", { className: "columns" }, ...columns));
  settle(where);
}

// rowsOf are the results as they are exported.
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
