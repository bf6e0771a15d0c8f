// Behaviour of the page.

import { calls } from "./calls.js";
import { element, page, rowsOf, show, toCSV } from "./cards.js";
import { count } from "./compare.js";
import * as files from "./files.js";
import * as memory from "./memory.js";
import * as server from "./ranking.js";

const $ = (id) => document.getElementById(id);

function say(text, error = false) {
  $("status").textContent = text;
  $("status").classList.toggle("error", error);
}

// Documents come from the text box, or from a file as long as the box has not been edited.

let file = null; // {name, table, documents}

const documents = () => file?.documents ?? files.documentsOfLines($("documents").value);

function fill(list) {
  $("documents").value = list.map((d) => d.text).join("\n");
  clear();
  showCall();
}

// clear removes the results, which belong to other documents.
function clear() {
  running?.abort();
  last = null;
  $("results").replaceChildren(element("p", { className: "hint" }, "The ranking will appear here."));
  $("csv").disabled = $("json").disabled = true;
}

function showColumns() {
  const table = file?.table;
  $("file-place").classList.toggle("table", Boolean(table));
  if (!table) return;
  const options = table.columns.map((c, i) => [c, String(i)]);
  $("column").replaceChildren(...options.map(([c, i]) => new Option(c, i)));
  $("id-column").replaceChildren(new Option("none", "-1"), ...options.map(([c, i]) => new Option(c, i)));
  const { text, id } = files.usual(table);
  $("column").value = String(text);
  $("id-column").value = String(id);
  $("header-choice").classList.toggle("idle", table.header === null);
  $("header").checked = table.header === true;
}

function fillFromTable() {
  file.documents = files.documentsOf(file.table, Number($("column").value), Number($("id-column").value));
  fill(file.documents);
}

async function take(chosen) {
  if (!chosen) return;
  try {
    const content = files.read(chosen.name, files.textOf(new Uint8Array(await chosen.arrayBuffer())));
    if (Array.isArray(content)) {
      file = { name: chosen.name, table: null, documents: content };
      showColumns();
      fill(content);
    } else {
      file = { name: chosen.name, table: content };
      showColumns();
      fillFromTable();
    }
    say(`${count(documents().length, "document")} from ${chosen.name}`);
  } catch (err) {
    say(`${chosen.name}: ${err.message}`, true);
  }
  $("file").value = ""; // allow choosing the same file again
}

// Models.

let offered = []; // by the server
const wanted = {}; // by a run or a link, perhaps before the key reveals the models

async function loadModels() {
  try {
    offered = await server.models($("key").value);
    for (const id of ["model", "other"]) {
      const chosen = $(id).value || wanted[id];
      for (const old of [...$(id).options]) if (old.value) old.remove();
      for (const m of offered) {
        const option = new Option(m.problem ? `${m.id}: ${m.problem}` : m.id, m.id);
        option.disabled = Boolean(m.problem);
        $(id).append(option);
      }
      choose(id, chosen);
    }
    showCall();
  } catch (err) {
    say(err.message, true);
  }
}

// choose selects a model if it can rank; otherwise the first that can, or for a comparison
// none.
function choose(id, model) {
  wanted[id] = model;
  const can = offered.filter((m) => !m.problem).map((m) => m.id);
  $(id).value = can.includes(model) ? model : id === "model" ? (can[0] ?? "") : "";
}

// Runs.

let last = null; // the run shown
let running = null; // AbortController of the active run

const draw = () => last && show($("results"), last, { bars: $("bars").value, more });

async function more(column) {
  column.shown += page;
  draw();
  if (last.why) await mark(last, column);
}

async function submit(event) {
  event.preventDefault();
  const list = documents();
  if (list.length === 0) {
    say("No documents to rank.", true);
    return;
  }
  running?.abort();
  const control = (running = new AbortController());
  const models = [$("model").value, $("other").value].filter((m, i) => i === 0 || m);
  const run = { query: $("query").value, documents: list, why: $("why").checked, key: $("key").value, signal: control.signal, columns: [] };
  last = run;
  busy(true);
  remember(run.query, models, list);
  try {
    for (const model of models) { // one after the other, so that their times are independent
      await rankBy(run, model);
      if (control.signal.aborted) return;
    }
    const failed = run.columns.filter((c) => c.error);
    // On a phone the ranking is out of sight.
    if ($("ranking").getBoundingClientRect().top > innerHeight - 100) $("ranking").scrollIntoView();
    say(failed.length > 0 ? failed.map((c) => `${c.model}: ${c.error}`).join(" ") : "Done.", failed.length > 0);
    await loadStates();
  } finally {
    if (running === control) {
      running = null;
      busy(false);
    }
  }
}

function busy(is) {
  $("cancel").disabled = !is;
  $("progress").classList.toggle("running", is);
  $("progress").value = 0;
  $("csv").disabled = $("json").disabled = is || !last?.columns.some((c) => c.results.length > 0);
}

// rankBy adds one model's column to a run and shows it as it grows.
async function rankBy(run, model) {
  const column = { model: model || "default", results: [], scored: 0, tokens: 0, ms: 0, error: "", note: "", marks: new Map(), shown: page, open: new Set(), keep: 0 };
  run.columns.push(column);
  const total = run.documents.length;
  let drawn = -Infinity;
  say(`Ranking with ${column.model} …`);
  const loaded = offered.find((m) => m.id === model)?.loaded ?? true;
  try {
    for await (const part of server.rank({ ...run, model, loaded })) {
      column.results = [...column.results, ...part.results].sort((a, b) => b.logit - a.logit || a.index - b.index);
      column.scored += part.results.length;
      column.tokens += part.tokens;
      column.ms += part.ms;
      $("progress").value = column.scored / total;
      say(`Ranking with ${column.model}: ${column.scored.toLocaleString("en")} of ${count(total, "document")}`);
      if (column.scored < total && performance.now() - drawn > 400) {
        draw();
        drawn = performance.now();
      }
    }
  } catch (err) {
    if (!run.signal.aborted) column.error = err.message; // keep the other model's results
  }
  if (last !== run) return; // the documents have changed
  draw();
  if (run.why && column.results.length > 0 && !run.signal.aborted) await mark(run, column);
}

// mark requests the best sentences of the cards shown.
async function mark(run, column) {
  const wanted = column.results.slice(0, column.shown).map((r) => r.index).filter((i) => !column.marks.has(i));
  if (wanted.length === 0) return;
  try {
    const list = await server.highlights({ ...run, model: column.model, documents: wanted.map((i) => run.documents[i]) });
    wanted.forEach((i, n) => column.marks.set(i, list[n]));
    column.note = "";
  } catch (err) {
    if (run.signal.aborted) return;
    column.note = `Highlighting failed: ${err.message}`;
  }
  if (last === run) draw();
}

// loadStates reloads the list of models if one of them was not loaded.
async function loadStates() {
  if (offered.some((m) => !m.loaded)) await loadModels();
}

function cancel() {
  if (!running) return;
  running.abort();
  const column = last.columns.at(-1);
  say(`Cancelled: ${column.model} ranked ${column.scored.toLocaleString("en")} of ${count(last.documents.length, "document")}.`);
}

// History and links.

function remember(query, [model, other = ""], list) {
  memory.keep({ when: Date.now(), query, model, other, count: list.length, file: file?.name ?? "", documents: list });
  history.replaceState(null, "", memory.toLink({ query, model, other, documents: list }).hash);
  showRuns();
}

function showRuns() {
  const runs = memory.runs();
  $("forget").disabled = runs.length === 0;
  $("runs").replaceChildren(...runs.map((r) => {
    const again = element("button", { type: "button", className: "link" }, r.query);
    again.addEventListener("click", () => restore(r));
    const models = [r.model, r.other].filter(Boolean).join(" and ");
    return element("li", {}, again, element("span", { className: "hint" },
      `${count(r.count, "document")}${r.file && ` from ${r.file}`}, ${models}, ${new Date(r.when).toLocaleString()}`));
  }));
}

function restore(run) {
  $("query").value = run.query;
  choose("model", run.model);
  choose("other", run.other);
  if (run.documents) {
    file = { name: run.file, table: null, documents: run.documents };
    showColumns();
    fill(run.documents);
    say(`${count(run.count, "document")} restored`);
  } else {
    clear();
    showCall();
    say(`The documents were too large to store: open ${run.file || "them"} again.`);
  }
}

function followLink() {
  const run = memory.fromLink(location.hash);
  if (!run) return;
  $("query").value = run.query;
  choose("model", run.model);
  choose("other", run.other);
  file = null;
  showColumns();
  $("documents").value = run.text;
  clear();
  showCall();
}

async function copy(text, done) {
  try {
    await navigator.clipboard.writeText(text);
    say(done);
  } catch (err) {
    say("Copying failed: " + err.message, true);
  }
}

function copyLink() {
  const { hash, whole } = memory.toLink({ query: $("query").value, model: $("model").value, other: $("other").value, documents: documents() });
  copy(location.href.replace(/#.*/, "") + hash, whole ? "Copied." : "Copied without the documents, which are too long for a link.");
}

function save(name, type, text) {
  const link = element("a", { href: URL.createObjectURL(new Blob([text], { type })), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

// Code samples.

const mostInCall = 20;
let language = "curl";

function showCall() {
  if (!$("program").open) return;
  const list = documents().map((d) => d.text);
  const request = { model: $("model").value || "default", query: $("query").value, documents: list.slice(0, mostInCall), ...($("why").checked && { highlights: 1 }) };
  const base = location.origin + location.pathname.replace(/\/[^/]*$/, "");
  $("code").textContent = calls[language](request, base, $("key").value);
  $("code-note").textContent = list.length > mostInCall ? `Shows the first ${mostInCall} of ${count(list.length, "document")}.` : "";
}

function chooseTab(tab) {
  for (const t of document.querySelectorAll("[role=tab]")) {
    const chosen = t === tab;
    t.setAttribute("aria-selected", String(chosen));
    t.tabIndex = chosen ? 0 : -1;
  }
  $("call").setAttribute("aria-labelledby", tab.id);
  language = tab.dataset.language;
  showCall();
}

$("form").addEventListener("submit", submit);
$("form").addEventListener("input", showCall);
$("cancel").addEventListener("click", cancel);
$("bars").addEventListener("change", draw);
$("key").addEventListener("change", loadModels);
$("program").addEventListener("toggle", showCall);
$("forget").addEventListener("click", () => { memory.forget(); showRuns(); });
$("csv").addEventListener("click", () => save("winnow.csv", "text/csv", toCSV(rowsOf(last))));
$("json").addEventListener("click", () => save("winnow.json", "application/json", JSON.stringify({ query: last.query, results: rowsOf(last) }, null, 1)));
$("link").addEventListener("click", copyLink);
$("copy").addEventListener("click", () => copy($("code").textContent, "Copied."));

$("open").addEventListener("click", () => $("file").click());
$("file").addEventListener("change", () => take($("file").files[0]));
$("column").addEventListener("change", fillFromTable);
$("id-column").addEventListener("change", fillFromTable);
$("header").addEventListener("change", () => {
  file.table = files.csvTable(file.table.all, $("header").checked);
  showColumns();
  fillFromTable();
});
$("documents").addEventListener("input", () => {
  file = null; // edited text no longer belongs to the file
  showColumns();
});
$("documents").addEventListener("keydown", (e) => {
  if (e.key === "Enter" && (e.ctrlKey || e.metaKey)) $("form").requestSubmit();
});
for (const kind of ["dragover", "dragleave", "drop"]) {
  $("documents").addEventListener(kind, (e) => {
    if (!e.dataTransfer.types.includes("Files")) return;
    e.preventDefault();
    $("documents").classList.toggle("over", kind === "dragover");
    if (kind === "drop") take(e.dataTransfer.files[0]);
  });
}

$("tabs").addEventListener("click", (e) => { if (e.target.dataset.language) chooseTab(e.target); });
$("tabs").addEventListener("keydown", (e) => {
  const step = { ArrowRight: 1, ArrowLeft: -1 }[e.key];
  if (!step) return;
  const tabs = [...document.querySelectorAll("[role=tab]")];
  const next = tabs[(tabs.indexOf(document.activeElement) + step + tabs.length) % tabs.length];
  chooseTab(next);
  next.focus();
});
window.addEventListener("hashchange", followLink);

showRuns();
await loadModels();
followLink();
