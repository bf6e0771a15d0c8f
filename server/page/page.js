"use strict";
// The page speaks to the server that it came from and to nothing else.

const $ = (id) => document.getElementById(id);
const svg = "http://www.w3.org/2000/svg";

const lines = () => $("documents").value.split("\n").map((l) => l.trim()).filter(Boolean);

const body = (model) => ({
  model, query: $("query").value, documents: lines(), return_documents: true, ...($("why").checked && { highlights: 1 }),
});

async function call(path, init = {}) {
  const headers = { "Content-Type": "application/json" };
  if ($("key").value) headers.Authorization = "Bearer " + $("key").value;
  const response = await fetch(path, { ...init, headers });
  const reply = await response.json();
  if (!response.ok) throw new Error(reply.error?.message ?? `status ${response.status}`);
  return reply;
}

async function loadModels() {
  try {
    const { data } = await call("v1/models");
    for (const id of ["model", "other"]) {
      const chosen = $(id).value;
      for (const old of [...$(id).options]) if (old.value) old.remove();
      for (const m of data) {
        const option = new Option(m.id, m.id);
        if (m.status?.value === "failed") {
          option.disabled = true;
          option.text += ": " + m.status.error;
        }
        $(id).append(option);
      }
      if (chosen) $(id).value = chosen;
    }
    showCall();
  } catch (err) {
    say(err.message, true);
  }
}

function say(text, error = false) {
  $("status").textContent = text;
  $("status").classList.toggle("error", error);
}

// One column: the ranking by one model.
async function rank(model) {
  const start = performance.now();
  const reply = await call("v1/rerank", { method: "POST", body: JSON.stringify(body(model)) });
  return { model, reply, ms: performance.now() - start };
}

function bar(score) {
  const s = document.createElementNS(svg, "svg");
  s.setAttribute("viewBox", "0 0 100 1");
  s.setAttribute("preserveAspectRatio", "none");
  s.setAttribute("aria-hidden", "true");
  const r = document.createElementNS(svg, "rect");
  r.setAttribute("width", String(100 * Math.min(1, Math.max(0, score))));
  r.setAttribute("height", "1");
  s.append(r);
  return s;
}

function element(tag, className, ...children) {
  const e = document.createElement(tag);
  if (className) e.className = className;
  e.append(...children);
  return e;
}

// The text with its highlights marked; their places are in characters, of which JavaScript's
// strings may have two for one.
function marked(text, highlights) {
  const characters = [...text];
  const parts = [];
  let at = 0;
  for (const { start, end, score } of highlights.toSorted((a, b) => a.start - b.start)) {
    const mark = element("mark", "", characters.slice(start, end).join(""));
    mark.title = `by itself ${score.toFixed(5)}`;
    parts.push(characters.slice(at, start).join(""), mark);
    at = end;
  }
  return [...parts, characters.slice(at).join("")];
}

function column({ model, reply, ms }) {
  const list = element("ol", "ranking");
  reply.results.forEach((r, i) => {
    const score = element("span", "number", r.relevance_score.toFixed(5));
    list.append(element("li", "",
      element("div", "score", element("span", "place", `${i + 1}.`), bar(r.relevance_score), score),
      element("p", "text", ...marked(r.document?.text ?? "", r.highlights ?? [])),
      element("p", "hint", `line ${r.index + 1}`)));
  });
  const tokens = reply.usage.total_tokens;
  return element("div", "column",
    element("h2", "", model || reply.model),
    element("p", "note", `${reply.results.length} documents, ${tokens} tokens, ${ms.toFixed(1)} ms`),
    list);
}

async function submit(event) {
  event.preventDefault();
  if (lines().length === 0) {
    say("There is no document to rank.", true);
    return;
  }
  const models = [$("model").value, $("other").value].filter((m, i) => i === 0 || m);
  $("rank").disabled = true;
  say("Ranking …");
  try {
    // One after the other, so that each time is that model's own.
    const columns = [];
    let failed = "";
    for (const m of models) {
      try {
        columns.push(column(await rank(m)));
      } catch (err) { // the other model's answer is not to be lost
        failed = err.message;
        columns.push(element("div", "column", element("h2", "", m), element("p", "error", err.message)));
      }
    }
    $("results").replaceChildren(...columns);
    say(failed || "Done.", Boolean(failed));
  } finally {
    $("rank").disabled = false;
  }
}

// Files.

// What stands most often between the cells of the first line.
function delimiterOf(text) {
  const first = text.split("\n", 1)[0].replace(/"[^"]*"/g, "");
  const count = (c) => first.split(c).length;
  return [",", ";", "\t"].reduce((best, c) => (count(c) > count(best) ? c : best));
}

function csvRows(text) {
  const delimiter = delimiterOf(text);
  const rows = [[]];
  let cell = "", quoted = false;
  for (let i = 0; i < text.length; i++) {
    const c = text[i];
    if (quoted) {
      if (c !== '"') cell += c;
      else if (text[i + 1] === '"') { cell += c; i++; } else quoted = false;
    } else if (c === '"') quoted = true;
    else if (c === delimiter) { rows.at(-1).push(cell); cell = ""; }
    else if (c === "\n") { rows.at(-1).push(cell); cell = ""; rows.push([]); }
    else if (c !== "\r") cell += c;
  }
  rows.at(-1).push(cell);
  return rows.filter((r) => r.some(Boolean));
}

// The names by which files call a document: those of winnow rank (internal/records).
const textNames = ["text", "document", "content", "contents", "passage", "body"];

function textOf(value) {
  if (typeof value === "string") return value;
  const name = textNames.find((n) => typeof value?.[n] === "string");
  if (!name) throw new Error(`${JSON.stringify(value).slice(0, 60)}: expected a string, or an object with a string "text"`);
  return value[name];
}

function documentsOf(name, text) {
  if (/\.(jsonl|ndjson)$/.test(name)) return text.split("\n").filter((l) => l.trim()).map((l) => textOf(JSON.parse(l)));
  if (name.endsWith(".json")) {
    const list = JSON.parse(text);
    if (!Array.isArray(list)) throw new Error("expected a list");
    return list.map(textOf);
  }
  return text.split("\n");
}

// A file with columns: the first line names them.
let table = null;

function showColumns(rows) {
  table = rows;
  const names = rows ? rows[0].map((c) => c.trim()) : [];
  $("column").replaceChildren(...names.map((c, i) => new Option(c || `column ${i + 1}`, String(i))));
  $("column-choice").hidden = names.length < 2;
  if (!rows) return;
  const length = (i) => rows.slice(1).reduce((sum, r) => sum + (r[i] ?? "").length, 0);
  const lower = names.map((c) => c.toLowerCase());
  const named = lower.indexOf(textNames.find((n) => lower.includes(n)));
  $("column").value = String(named >= 0 ? named : names.reduce((best, _, i) => (length(i) > length(best) ? i : best), 0));
}

const columnOf = () => table.slice(1).map((r) => r[Number($("column").value)] ?? "");

function fill(documents) {
  $("documents").value = documents.map((d) => d.replace(/\s+/g, " ").trim()).filter(Boolean).join("\n");
  $("results").replaceChildren(); // of other documents
  showCall();
}

// The text of a file; what is no text is refused.
async function textOf(file) {
  let text;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(await file.arrayBuffer());
  } catch {
    throw new Error("this is no text in UTF-8");
  }
  if (text.includes("\0") || text.startsWith("%PDF-")) throw new Error("this is no text; save it as .txt, .jsonl or .csv");
  return text;
}

async function take(file) {
  if (!file) return;
  try {
    const name = file.name.toLowerCase();
    const text = await textOf(file);
    showColumns(/\.[ct]sv$/.test(name) ? csvRows(text) : null);
    fill(table ? columnOf() : documentsOf(name, text));
    say(`${lines().length} documents from ${file.name}`);
  } catch (err) {
    say(`${file.name}: ${err.message}`, true);
  }
}

// The same by program.

const quote = (s) => JSON.stringify(s);

const calls = {
  curl(request, base) {
    const json = JSON.stringify(request, null, 1).replaceAll("'", "'\\''");
    const key = $("key").value ? ` -H 'Authorization: Bearer ${$("key").value.replaceAll("'", "'\\''")}'` : "";
    return `curl -s ${base}/v1/rerank -H 'Content-Type: application/json'${key} -d '${json}'`;
  },
  go(request) {
    const documents = request.documents.map((d) => `\t${quote(d)},\n`).join("");
    return `m, err := winnow.Open("path/to/model")\nif err != nil {\n\tlog.Fatal(err)\n}\ndefer m.Close()\n` +
      `ranked, err := m.Rerank(ctx, ${quote(request.query)}, []string{\n${documents}})\nif err != nil {\n\tlog.Fatal(err)\n}\n` +
      `for _, r := range ranked {\n\tfmt.Println(r.Index, r.Score)\n}`;
  },
  fourd(request, base) {
    const q = (s) => `"${s.replaceAll("\\", "\\\\").replaceAll('"', '\\"')}"`;
    return `var $reranker:=cs.AIKit.Reranker.new({baseURL: ${q(base + "/v1")}${$("key").value && `; apiKey: ${q($("key").value)}`}})\n` +
      `var $query:=cs.AIKit.RerankerQuery.new({query: ${q(request.query)}; documents: [\\\n` +
      request.documents.map(q).join("; \\\n") + `\\\n]})\n` +
      `var $parameters:=cs.AIKit.RerankerParameters.new({model: ${q(request.model || "default")}})\n` +
      `var $result:=$reranker.create($query; $parameters)\n` +
      `For each ($item; $result.results)\n\t// $item.index, $item.relevance_score\nEnd for each`;
  },
  python(request, base) {
    const documents = request.documents.map((d) => `        ${quote(d)},\n`).join("");
    return `import json, urllib.request\n\nrequest = urllib.request.Request(\n    ${quote(base + "/v1/rerank")},\n` +
      `    headers={"Content-Type": "application/json"${$("key").value && `, "Authorization": ${quote("Bearer " + $("key").value)}`}},\n    data=json.dumps({\n        "model": ${quote(request.model)},\n` +
      `        "query": ${quote(request.query)},\n        "documents": [\n${documents.replaceAll("        \"", "            \"")}        ],\n    }).encode(),\n)\n` +
      `for r in json.load(urllib.request.urlopen(request))["results"]:\n    print(r["index"], r["relevance_score"])`;
  },
};

let language = "curl";

function showCall() {
  const { return_documents, ...request } = body($("model").value || "default");
  const base = location.origin + location.pathname.replace(/\/[^/]*$/, "");
  $("code").textContent = calls[language](request, base);
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
$("key").addEventListener("change", loadModels);
$("column").addEventListener("change", () => fill(columnOf()));
$("file").addEventListener("change", () => take($("file").files[0]));
$("file-label").addEventListener("keydown", (e) => {
  if (e.key === "Enter" || e.key === " ") { e.preventDefault(); $("file").click(); }
});
for (const kind of ["dragover", "dragleave", "drop"]) {
  $("documents").addEventListener(kind, (e) => {
    e.preventDefault();
    $("documents").classList.toggle("over", kind === "dragover");
    if (kind === "drop") take(e.dataTransfer.files[0]);
  });
}
$("documents").addEventListener("keydown", (e) => {
  if (e.key === "Enter" && (e.ctrlKey || e.metaKey)) $("form").requestSubmit();
});
$("tabs").addEventListener("click", (e) => { if (e.target.dataset.language) chooseTab(e.target); });
$("tabs").addEventListener("keydown", (e) => {
  const step = { ArrowRight: 1, ArrowLeft: -1 }[e.key];
  if (!step) return;
  const tabs = [...document.querySelectorAll("[role=tab]")];
  const next = tabs[(tabs.indexOf(document.activeElement) + step + tabs.length) % tabs.length];
  chooseTab(next);
  next.focus();
});
$("copy").addEventListener("click", async () => {
  try {
    await navigator.clipboard.writeText($("code").textContent);
    say("Copied.");
  } catch (err) {
    say("The browser does not allow copying: " + err.message, true);
  }
});

loadModels();
