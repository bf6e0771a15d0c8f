// The client libraries of npm against a running winnow:
//   node clients.mjs http://127.0.0.1:8080
// Each line tells what a library read; a wrong answer ends with status 1.
import { createCohere } from "@ai-sdk/cohere";
import { rerank } from "ai";
import { CohereClient, CohereClientV2 } from "cohere-ai";
import { Ollama } from "ollama";
import OpenAI from "openai";
import { VoyageAIClient } from "voyageai";

const base = process.argv[2] ?? "http://127.0.0.1:8080";
const query = "What is deep learning?";
const documents = [
  "Apples are red and sweet fruits that grow on trees.",
  "Deep learning is a subset of machine learning based on artificial neural networks.",
  "The theory of relativity was developed by Albert Einstein.",
  "Neural networks simulate the human brain to solve complex problems.",
];

let failed = false;
function check(name, ok, seen) {
  console.log(`${ok ? "ok  " : "FAIL"} ${name}: ${JSON.stringify(seen)}`);
  if (!ok) failed = true;
}

// best says whether a ranking [index, score]… is the expected one.
function ranking(name, pairs, count) {
  const sorted = pairs.every(([, s], i) => s >= 0 && s <= 1 && (i === 0 || s <= pairs[i - 1][1]));
  check(name, pairs.length === count && pairs[0][0] === 1 && sorted, pairs);
}

async function run(name, body) {
  try {
    await body();
  } catch (err) {
    check(name, false, String(err));
  }
}

await run("@ai-sdk/cohere", async () => {
  const cohere = createCohere({ baseURL: base + "/v2", apiKey: "none" });
  const { ranking: r } = await rerank({ model: cohere.reranking("default"), query, documents, topN: 3 });
  ranking("@ai-sdk/cohere", r.map((x) => [x.originalIndex, x.score]), 3);
});
await run("cohere-ai v1", async () => {
  const r = await new CohereClient({ environment: base, token: "none" })
    .rerank({ model: "default", query, documents, topN: 3, returnDocuments: true });
  ranking("cohere-ai v1", r.results.map((x) => [x.index, x.relevanceScore]), 3);
  check("cohere-ai v1 documents", r.results[0].document?.text === documents[1], r.results[0].document);
});
await run("cohere-ai v2", async () => {
  const r = await new CohereClientV2({ environment: base, token: "none" })
    .rerank({ model: "default", query, documents, topN: 3 });
  ranking("cohere-ai v2", r.results.map((x) => [x.index, x.relevanceScore]), 3);
  check("cohere-ai v2 meta", r.meta?.billedUnits?.searchUnits === 1, r.meta);
});
await run("voyageai", async () => {
  // It leaves out top_k where it is not given.
  const r = await new VoyageAIClient({ environment: base + "/v1", apiKey: "none" }).rerank({ model: "default", query, documents });
  ranking("voyageai", r.data.map((x) => [x.index, x.relevanceScore]), 4);
});
if (process.env.WINNOW_EMBEDDER) {
  await run("ollama", async () => {
    const r = await new Ollama({ host: process.env.WINNOW_EMBEDDER }).embed({ model: "default", input: documents });
    check("ollama embed", r.embeddings.length === 4, r.prompt_eval_count);
  });
}
await run("openai", async () => {
  const client = new OpenAI({ baseURL: base + "/v1", apiKey: "none", maxRetries: 0 });
  const list = [];
  for await (const m of client.models.list()) list.push(m.id);
  check("openai models", list.length > 0, list);
  // A reranker neither embeds nor completes, and says so in the form that the
  // library understands.
  for (const [name, call] of [
    ["embeddings", () => client.embeddings.create({ model: "default", input: "text" })],
    ["completions", () => client.completions.create({ model: "default", prompt: "text", max_tokens: 1 })],
  ]) {
    try {
      await call();
      check(`openai ${name}`, false, "an answer");
    } catch (err) {
      check(`openai ${name} refused`, err.status === 501 && err.type === "not_supported_error", [err.status, err.type, err.message]);
    }
  }
});
process.exit(failed ? 1 : 0);
