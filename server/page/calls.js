// Code samples that request the same ranking.

const quote = (s) => JSON.stringify(s);

export const calls = {
  curl(request, base, key) {
    const shell = (s) => `'${s.replaceAll("'", "'\\''")}'`;
    const header = key ? ` -H ${shell("Authorization: Bearer " + key)}` : "";
    return `curl -s ${base}/v1/rerank -H 'Content-Type: application/json'${header} -d ${shell(JSON.stringify(request, null, 1))}`;
  },
  go(request) {
    const documents = request.documents.map((d) => `\t${quote(d)},\n`).join("");
    return `m, err := winnow.Open("path/to/model")\nif err != nil {\n\tlog.Fatal(err)\n}\ndefer m.Close()\n` +
      `ranked, err := m.Rerank(ctx, ${quote(request.query)}, []string{\n${documents}})\nif err != nil {\n\tlog.Fatal(err)\n}\n` +
      `for _, r := range ranked {\n\tfmt.Println(r.Index, r.Score)\n}`;
  },
  fourd(request, base, key) {
    const q = (s) => `"${s.replaceAll("\\", "\\\\").replaceAll('"', '\\"')}"`;
    return `var $reranker:=cs.AIKit.Reranker.new({baseURL: ${q(base + "/v1")}${key && `; apiKey: ${q(key)}`}})\n` +
      `var $query:=cs.AIKit.RerankerQuery.new({query: ${q(request.query)}; documents: [\\\n` +
      request.documents.map(q).join("; \\\n") + `\\\n]})\n` +
      `var $parameters:=cs.AIKit.RerankerParameters.new({model: ${q(request.model)}})\n` +
      `var $result:=$reranker.create($query; $parameters)\n` +
      `For each ($item; $result.results)\n\t// $item.index, $item.relevance_score\nEnd for each`;
  },
  python(request, base, key) {
    const documents = request.documents.map((d) => `            ${quote(d)},\n`).join("");
    const header = key && `, "Authorization": ${quote("Bearer " + key)}`;
    return `import json, urllib.request\n\nrequest = urllib.request.Request(\n    ${quote(base + "/v1/rerank")},\n` +
      `    headers={"Content-Type": "application/json"${header}},\n    data=json.dumps({\n        "model": ${quote(request.model)},\n` +
      `        "query": ${quote(request.query)},\n        "documents": [\n${documents}        ],\n    }).encode(),\n)\n` +
      `for r in json.load(urllib.request.urlopen(request))["results"]:\n    print(r["index"], r["relevance_score"])`;
  },
};
