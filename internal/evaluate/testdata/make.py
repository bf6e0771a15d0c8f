"""Makes runs and judgements with what pytrec_eval says of them.

    pip install pytrec_eval-terrier && python make.py

Runs have ties, scores that float32 does not tell apart, documents that are not
judged, queries that are not judged or not answered; judgements have grades from
-1 to 3 and queries without anything relevant.
"""
import json
import random

import pytrec_eval

random.seed(7)
qrels, run = {}, {}
for q in range(60):
    query = f"q{q}"
    documents = [f"d{n}" for n in random.sample(range(2000), 220)]
    judged = {d: random.choice([-1, 0, 0, 1, 1, 2, 3]) for d in random.sample(documents, random.choice([1, 3, 20, 120]))}
    if q % 11 == 3:
        judged = {d: 0 for d in judged}
    elif not any(g > 0 for g in judged.values()):
        judged[random.choice(documents)] = 1
    if q % 13 != 5:
        qrels[query] = judged
    if q % 17 != 6:
        kept = random.sample(documents, random.choice([1, 5, 60, 200]))
        kind = q % 3
        run[query] = {d: [round(random.random() * 8) / 8, random.random(), 1 - random.randrange(20) * 1e-9][kind] for d in kept}

with open("run.trec", "w") as f:
    for query, documents in run.items():
        for rank, (d, s) in enumerate(documents.items(), 1):
            f.write(f"{query} Q0 {d} {rank} {s!r} test\n")
with open("qrels.trec", "w") as f:
    for query, documents in qrels.items():
        for d, g in documents.items():
            f.write(f"{query} 0 {d} {g}\n")
evaluator = pytrec_eval.RelevanceEvaluator(qrels, {"ndcg_cut.10", "recip_rank", "map", "recall.100"})
want = {}
for query, m in evaluator.evaluate(run).items():
    # trec_eval cuts every measure but this one off.
    mrr = m["recip_rank"] if m["recip_rank"] >= 0.1 - 1e-9 else 0
    want[query] = [m["ndcg_cut_10"], mrr, m["map"], m["recall_100"]]
with open("measures.json", "w") as f:
    json.dump(want, f, indent=0)
