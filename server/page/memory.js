// What outlasts the page: recent runs, which this browser keeps, and links. The API key is in
// neither.

const name = "winnow.runs";
const mostRuns = 20;
const mostOfRun = 1 << 18; // characters of its documents
const mostOfAll = 1 << 21;

// runs are the latest first: {when, query, model, other, count, file, documents}; documents
// is null if they were too many to keep.
export function runs() {
  try {
    const list = JSON.parse(localStorage.getItem(name) ?? "[]");
    return Array.isArray(list) ? list : [];
  } catch {
    return []; // the browser keeps nothing
  }
}

// keep puts a run before the others; one that is the same goes.
export function keep(run) {
  if (JSON.stringify(run.documents).length > mostOfRun) run = { ...run, documents: null };
  const same = (r) => JSON.stringify({ ...r, when: 0 }) === JSON.stringify({ ...run, when: 0 });
  const list = [run, ...runs().filter((r) => !same(r))].slice(0, mostRuns);
  while (list.length > 1 && JSON.stringify(list).length > mostOfAll) list.pop();
  try {
    localStorage.setItem(name, JSON.stringify(list));
  } catch {
    // the browser keeps nothing, or has no room
  }
}

export function forget() {
  try {
    localStorage.removeItem(name);
  } catch {
    // there was nothing
  }
}

// A link holds a run behind #, which no server sees. Documents are left out if it would be
// longer than programs pass on.
const mostOfLink = 8000;

export function toLink({ query, model, other, documents }) {
  const parameters = new URLSearchParams({ q: query, ...(model && { m: model }), ...(other && { c: other }) });
  const bare = "#" + parameters;
  parameters.set("d", documents.map((d) => d.text).join("\n"));
  const whole = "#" + parameters;
  return whole.length <= mostOfLink ? { hash: whole, whole: true } : { hash: bare, whole: false };
}

// fromLink is what a link holds, or null; text is that of the documents.
export function fromLink(hash) {
  const parameters = new URLSearchParams(hash.replace(/^#/, ""));
  if (!parameters.has("q")) return null;
  const [query, model, other, text] = ["q", "m", "c", "d"].map((n) => parameters.get(n) ?? "");
  return { query, model, other, text };
}
