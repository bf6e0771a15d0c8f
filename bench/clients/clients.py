"""Runs PyPI's client libraries against a running winnow:

    python clients.py http://127.0.0.1:8080 [NAME…]

WINNOW_EMBEDDER is the address of another one, with an embedding model. Each line shows what
a library read; a wrong answer exits with status 1. Without names, all libraries run.
"""

import os
import sys
import traceback
import warnings

warnings.simplefilter("ignore")
os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")

base = sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:8080"
embedder = os.environ.get("WINNOW_EMBEDDER", "")
query = "What is deep learning?"
documents = [
    "Apples are red and sweet fruits that grow on trees.",
    "Deep learning is a subset of machine learning based on artificial neural networks.",
    "The theory of relativity was developed by Albert Einstein.",
    "Neural networks simulate the human brain to solve complex problems.",
]
failed = False


def check(name, ok, seen):
    global failed
    print("ok  " if ok else "FAIL", name + ":", seen, flush=True)
    failed = failed or not ok


def ranking(name, pairs, count):
    """pairs is a ranking of (index, score), best first."""
    pairs = [(int(i), float(s)) for i, s in pairs]
    good = len(pairs) == count and pairs[0][0] == 1 and all(0 <= s <= 1 for _, s in pairs)
    check(name, good and all(a[1] >= b[1] for a, b in zip(pairs, pairs[1:])), pairs)


def cohere_v1():
    import cohere

    client = cohere.Client(api_key="none", base_url=base)
    r = client.rerank(model="default", query=query, documents=documents, top_n=3, return_documents=True)
    ranking("cohere v1", [(x.index, x.relevance_score) for x in r.results], 3)
    check("cohere v1 documents", r.results[0].document.text == documents[1], r.results[0].document)


def cohere_v2():
    import cohere

    client = cohere.ClientV2(api_key="none", base_url=base)
    r = client.rerank(model="default", query=query, documents=documents, top_n=3)
    ranking(f"cohere {cohere.__version__} v2", [(x.index, x.relevance_score) for x in r.results], 3)
    check("cohere v2 meta", r.meta.billed_units.search_units == 1, r.meta.billed_units)
    try:
        client.rerank(model="default", query=query, documents=documents, top_n=-1)
        check("cohere v2 error", False, "an answer")
    except cohere.errors.BadRequestError as e:
        check("cohere v2 error", "top_n" in str(e.body), e.body)


def rerankers():
    from rerankers.models.api_rankers import APIRanker

    for provider, path in (("cohere", "/v1/rerank"), ("jina", "/v1/rerank"), ("voyage", "/v1/rerank"), ("mixedbread.ai", "/v1/reranking"),
                           ("isaacus", "/v1/rerankings"), ("text-embeddings-inference", "/rerank")):
        ranker = APIRanker("default", api_key="none", api_provider=provider, url=base + path, verbose=0)
        r = ranker.rank(query=query, docs=documents)
        ranking(f"rerankers ({provider})", [(x.doc_id, x.score) for x in r.results], 4)


def litellm():
    import litellm

    for provider, url in (("cohere", base), ("jina_ai", base + "/v1/rerank"), ("hosted_vllm", base), ("infinity", base + "/infinity"), ("huggingface", base)):
        try:
            r = litellm.rerank(model=f"{provider}/default", query=query, documents=documents, top_n=3,
                               return_documents=True, api_base=url, api_key="none", num_retries=0)
        except Exception as e:
            check(f"litellm ({provider})", False, e)
            continue
        ranking(f"litellm ({provider})", [(x["index"], x["relevance_score"]) for x in r.results], 3)


def langchain():
    from langchain_cohere import CohereRerank
    from langchain_community.document_compressors import JinaRerank
    from langchain_core.documents import Document
    import cohere

    docs = [Document(page_content=d) for d in documents]
    chain = CohereRerank(client=cohere.ClientV2(api_key="none", base_url=base), model="default", top_n=3)
    r = chain.compress_documents(docs, query)
    ranking("langchain (Cohere)", [(documents.index(d.page_content), d.metadata["relevance_score"]) for d in r], 3)

    from langchain_community.document_compressors import jina_rerank

    jina_rerank.JINA_API_URL = base + "/v1/rerank"
    chain = JinaRerank(model="default", jina_api_key="none", top_n=3)
    r = chain.compress_documents(docs, query)
    ranking("langchain (Jina)", [(documents.index(d.page_content), d.metadata["relevance_score"]) for d in r], 3)


def llama_index():
    from llama_index.core.schema import NodeWithScore, TextNode
    from llama_index.postprocessor.cohere_rerank import CohereRerank
    from llama_index.postprocessor.jinaai_rerank import JinaRerank

    nodes = [NodeWithScore(node=TextNode(text=d)) for d in documents]
    for name, ranker in (
        ("Cohere", CohereRerank(api_key="none", model="default", top_n=3, base_url=base)),
        ("Jina", JinaRerank(api_key="none", model="default", top_n=3, base_url=base + "/v1")),
    ):
        r = ranker.postprocess_nodes(nodes, query_str=query)
        ranking(f"llama-index ({name})", [(documents.index(n.node.text), n.score) for n in r], 3)


def openai():
    import openai as library

    client = library.OpenAI(base_url=base + "/v1", api_key="none", max_retries=0)
    models = [m.id for m in client.models.list()]
    check("openai models", len(models) > 0, models)
    for name, call in (
        ("embeddings", lambda: client.embeddings.create(model="default", input="text")),
        ("completions", lambda: client.completions.create(model="default", prompt="text", max_tokens=1)),
        ("chat", lambda: client.chat.completions.create(model="default", messages=[{"role": "user", "content": "text"}])),
    ):
        try:
            call()
            check(f"openai {name}", False, "an answer of a model that is a reranker alone")
        except library.APIStatusError as e:
            check(f"openai {name} refused", e.status_code == 501 and e.type == "not_supported_error", e.message)


def voyage():
    import voyageai

    client = voyageai.Client(api_key="none", base_url=base + "/v1")
    r = client.rerank(query, documents, model="default", top_k=3)
    ranking("voyageai", [(x.index, x.relevance_score) for x in r.results], 3)
    check("voyageai documents", r.results[0].document == documents[1], r.results[0].document)


def mixedbread():
    from mixedbread import Mixedbread

    client = Mixedbread(api_key="none", base_url=base)
    r = client.rerank(model="default", query=query, input=documents, top_k=3, return_input=True)
    ranking("mixedbread", [(x.index, x.score) for x in r.data], 3)
    check("mixedbread input", r.data[0].input == documents[1], r.data[0].input)


def isaacus():
    from isaacus import Isaacus

    client = Isaacus(api_key="none", base_url=base + "/v1")
    r = client.rerankings.create(model="default", query=query, texts=documents, top_n=3)
    ranking("isaacus", [(x.index, x.score) for x in r.results], 3)


def tei():
    import json
    import urllib.request

    body = json.dumps({"query": query, "texts": documents, "return_text": True}).encode()
    request = urllib.request.Request(base + "/rerank", body, {"Content-Type": "application/json"})
    r = json.load(urllib.request.urlopen(request))
    ranking("text-embeddings-inference (urllib)", [(x["index"], x["score"]) for x in r], 4)
    check("text-embeddings-inference text", r[0]["text"] == documents[1], r[0]["text"])


def dashscope():
    import dashscope as library

    library.api_key, library.base_http_api_url = "none", base + "/api/v1"
    r = library.TextReRank.call(model="default", query=query, documents=documents, top_n=3, return_documents=True)
    ranking("dashscope", [(x.index, x.relevance_score) for x in r.output.results], 3)
    check("dashscope documents", r.output.results[0]["document"]["text"] == documents[1], r.output.results[0]["document"])
    r = library.TextReRank.call(model="default", query=query, documents=documents, top_n=-1)
    check("dashscope error", r.status_code == 400 and "top_n" in r.message, r.message)


def nvidia():
    from langchain_core.documents import Document
    from langchain_nvidia_ai_endpoints import NVIDIARerank

    client = NVIDIARerank(base_url=base + "/v1", model="default", top_n=3, truncate="END")
    r = client.compress_documents([Document(page_content=d) for d in documents], query)
    logits = [d.metadata["relevance_score"] for d in r]
    check("langchain-nvidia", len(r) == 3 and r[0].page_content == documents[1] and logits == sorted(logits, reverse=True), logits)


def xinference():
    from xinference_client import RESTfulClient

    client = RESTfulClient(base)
    name = next(iter(client.list_models()))
    r = client.get_model(name).rerank(documents, query, top_n=3, return_documents=True)
    ranking("xinference", [(x["index"], x["relevance_score"]) for x in r["results"]], 3)
    check("xinference documents", r["results"][0]["document"]["text"] == documents[1], r["results"][0]["document"])


def embed_ollama():
    import ollama

    client = ollama.Client(embedder)
    r = client.embed(model="default:latest", input=documents)
    check("ollama embed", len(r.embeddings) == 4 and r.prompt_eval_count > 0, r.prompt_eval_count)
    names = [m.model for m in client.list().models]
    check("ollama list", len(names) == 1, names)


def embed_cohere():
    import cohere

    r = cohere.ClientV2(api_key="none", base_url=embedder).embed(model="default", texts=documents, input_type="search_query", embedding_types=["float"])
    check("cohere embed v2", len(r.embeddings.float_) == 4 and r.meta.billed_units.input_tokens > 0, r.meta)
    r = cohere.Client(api_key="none", base_url=embedder).embed(model="default", texts=documents, input_type="search_query")
    check("cohere embed v1", r.response_type == "embeddings_floats" and len(r.embeddings) == 4, r.response_type)


def embed_huggingface():
    from huggingface_hub import InferenceClient

    client = InferenceClient(embedder)
    v = client.feature_extraction("a text")
    check("huggingface-hub feature_extraction", v.shape[0] == 1 and abs((v**2).sum() - 1) < 1e-5, v.shape)
    r = client.sentence_similarity(documents[0], other_sentences=[documents[0], documents[1]])
    check("huggingface-hub sentence_similarity", abs(r[0] - 1) < 1e-5 and r[1] < 1, r)


every = (cohere_v1, cohere_v2, rerankers, litellm, langchain, llama_index, openai, voyage, mixedbread, isaacus, tei, dashscope, nvidia, xinference)
if embedder:
    every += (embed_ollama, embed_cohere, embed_huggingface)
for function in every:
    if sys.argv[2:] and function.__name__ not in sys.argv[2:]:
        continue
    try:
        function()
    except Exception as e:
        traceback.print_exc()
        check(function.__name__, False, repr(e))
sys.exit(1 if failed else 0)
