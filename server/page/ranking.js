// Requests to the server that served the page, and to no other.

// call sends a request, with the API key if there is one, and reads the JSON reply.
export async function call(path, key, init = {}) {
  const headers = { "Content-Type": "application/json" };
  if (key) headers.Authorization = "Bearer " + key;
  const response = await fetch(path, { ...init, headers });
  const reply = await response.json().catch((err) => {
    if (err.name === "AbortError") throw err;
    return null; // perhaps from a proxy
  });
  if (!response.ok || !reply) throw new Error(reply?.error?.message ?? `the server returned status ${response.status}`);
  return reply;
}

const rerank = (request, key, signal) => call("v1/rerank", key, { method: "POST", body: JSON.stringify(request), signal });

// models lists the server's models as {id, loaded, problem}; problem says why one cannot
// rank.
export async function models(key) {
  const { data, models } = await call("v1/models", key);
  return data.map(({ id, status }, i) => {
    let problem = "";
    if (status.value === "failed") problem = status.error;
    else if (!models[i].capabilities.includes("rerank")) problem = "cannot rank, only " + models[i].capabilities.join(" and ");
    return { id, problem, loaded: status.value === "loaded" };
  });
}

// Long lists are sent in parts of at most this many documents and characters, to show
// progress and to leave the server no work after a cancellation.
const partDocuments = 64;
const partCharacters = 1 << 17;

export function parts(documents) {
  const list = [];
  let from = 0, characters = 0;
  documents.forEach((d, i) => {
    if (i > from && (i - from === partDocuments || characters + d.text.length > partCharacters)) {
      list.push(documents.slice(from, i));
      from = i;
      characters = 0;
    }
    characters += d.text.length;
  });
  list.push(documents.slice(from));
  return list;
}

// rank yields scores as the server returns them: {results, tokens, ms}. A result has index,
// score, logit and, for a truncated document, read. ms is the duration of the requests; the
// server's cache is not used.
export async function* rank({ model, query, documents, key, loaded, signal }) {
  const ask = (some) => rerank({ model, query, documents: some.map((d) => d.text), details: true, use_cache: false }, key, signal);
  if (!loaded) await ask(documents.slice(0, 1)); // loading must not count
  let first = 0;
  for (const some of parts(documents)) {
    const timed = async (list) => {
      const start = performance.now();
      const reply = await ask(list);
      return [reply, performance.now() - start];
    };
    let [reply, ms] = await timed(some);
    const whole = reply.meta.listwise && some.length < documents.length;
    if (whole) [reply, ms] = await timed(documents); // scores depend on the whole list
    const results = reply.results.map((r) => ({ index: first + r.index, score: r.relevance_score, logit: r.logit, read: r.read }));
    yield { results, ms, tokens: reply.usage.total_tokens };
    if (whole) return;
    first += some.length;
  }
}

// highlights returns the best sentence of each document: {start, end, score}, or undefined.
export async function highlights({ model, query, documents, key, signal }) {
  const { results } = await rerank({ model, query, documents: documents.map((d) => d.text), highlights: 1 }, key, signal);
  const list = [];
  for (const r of results) list[r.index] = r.highlights?.[0];
  return list;
}
