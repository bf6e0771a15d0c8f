// What outlives the page: recent runs, stored in this browser, and links. Neither contains
// the API key.

const name = "winnow.runs";
const mostRuns = 20;
const mostOfRun = 1 << 18; // characters of its documents
const mostOfAll = 1 << 21;

// runs returns the stored runs, latest first: {when, query, model, other, count, file,
// documents}; documents is null if they were too large to store.
export function runs() {
  try {
    const list = JSON.parse(localStorage.getItem(name) ?? "[]");
    return Array.isArray(list) ? list : [];
  } catch {
    return []; // storage is disabled
  }
}

// keep stores a run as the latest; an equal older one is removed.
export function keep(run) {
  if (JSON.stringify(run.documents).length > mostOfRun) run = { ...run, documents: null };
  const same = (r) => JSON.stringify({ ...r, when: 0 }) === JSON.stringify({ ...run, when: 0 });
  const list = [run, ...runs().filter((r) => !same(r))].slice(0, mostRuns);
  while (list.length > 1 && JSON.stringify(list).length > mostOfAll) list.pop();
  try {
    localStorage.setItem(name, JSON.stringify(list));
  } catch {
    // storage is disabled or full
  }
}

export function forget() {
  try {
    localStorage.removeItem(name);
  } catch {
    // storage is disabled
  }
}

// A link holds a run in its fragment, which is never sent to a server. Documents are omitted
// if the link would be too long for some programs.
const mostOfLink = 8000;

export function toLink({ query, model, other, documents }) {
  const parameters = new URLSearchParams({ q: query, ...(model && { m: model }), ...(other && { c: other }) });
  const bare = "#" + parameters;
  parameters.set("d", documents.map((d) => d.text).join("\n"));
  const whole = "#" + parameters;
  return whole.length <= mostOfLink ? { hash: whole, whole: true } : { hash: bare, whole: false };
}

// fromLink returns the run of a link, or null; text holds the documents.
export function fromLink(hash) {
  const parameters = new URLSearchParams(hash.replace(/^#/, ""));
  if (!parameters.has("q")) return null;
  const [query, model, other, text] = ["q", "m", "c", "d"].map((n) => parameters.get(n) ?? "");
  return { query, model, other, text };
}
