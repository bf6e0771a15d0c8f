// What the page asks of the server that it came from. It asks nobody else.

// call sends a request, with the API key if there is one, and reads the JSON reply.
export async function call(path, key, init = {}) {
  const headers = { "Content-Type": "application/json" };
  if (key) headers.Authorization = "Bearer " + key;
  const response = await fetch(path, { ...init, headers });
  const reply = await response.json().catch((err) => {
    if (err.name === "AbortError") throw err;
    return null; // of a proxy, perhaps
  });
  if (!response.ok || !reply) throw new Error(reply?.error?.message ?? `the server answered with status ${response.status}`);
  return reply;
}

const rerank = (request, key, signal) => call("v1/rerank", key, { method: "POST", body: JSON.stringify(request), signal });

// models are the server's: {id, loaded, problem}, of which the last says why one cannot rank.
export async function models(key) {
  const { data, models } = await call("v1/models", key);
  return data.map(({ id, status }, i) => {
    let problem = "";
    if (status.value === "failed") problem = status.error;
    else if (!models[i].capabilities.includes("rerank")) problem = "does not rank, it can " + models[i].capabilities.join(" and ");
    return { id, problem, loaded: status.value === "loaded" };
  });
}

// A long list goes to the server in parts of so many documents, and characters: that shows
// how far it is, and the server has nothing left to do when it is cancelled.
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

// rank yields what the server has scored as it goes: {results, tokens, ms}. A result has
// index, score, logit, and read of a document that was cut. The time is what the requests
// took; no score comes from the server's cache.
export async function* rank({ model, query, documents, key, loaded, signal }) {
  const ask = (some) => rerank({ model, query, documents: some.map((d) => d.text), details: true, use_cache: false }, key, signal);
  if (!loaded) await ask(documents.slice(0, 1)); // loading it is not to count
  let first = 0;
  for (const some of parts(documents)) {
    const timed = async (list) => {
      const start = performance.now();
      const reply = await ask(list);
      return [reply, performance.now() - start];
    };
    let [reply, ms] = await timed(some);
    const whole = reply.meta.listwise && some.length < documents.length;
    if (whole) [reply, ms] = await timed(documents); // a score depends on the whole list
    const results = reply.results.map((r) => ({ index: first + r.index, score: r.relevance_score, logit: r.logit, read: r.read }));
    yield { results, ms, tokens: reply.usage.total_tokens };
    if (whole) return;
    first += some.length;
  }
}

// highlights are the best sentence of each document: {start, end, score}, or undefined.
export async function highlights({ model, query, documents, key, signal }) {
  const { results } = await rerank({ model, query, documents: documents.map((d) => d.text), highlights: 1 }, key, signal);
  const list = [];
  for (const r of results) list[r.index] = r.highlights?.[0];
  return list;
}
