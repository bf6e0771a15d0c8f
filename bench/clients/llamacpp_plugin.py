"""Fits llama.cpp's server tests to winnow: the presets' models are replaced by
the built-in one, since theirs come from a hub, and what cannot hold for a
reranker is left out by name, with the reason."""

import pytest

COMPLETES = "completes text: the built-in model is a reranker; see docs/decoders.md for models that complete"
SLOTS = "divides the context among slots: a request to winnow may have all of it"
CORS = "wants CORS without a flag: winnow's is off until --cors-origins sets it (TestCORS covers it)"
TOOLS = "tools and a proxy for them are no part of a reranker"
MEDIA = "pictures and sounds are no part of a reranker"
WORDS = "expects a cased vocabulary whose first token is 1; the built-in model's is uncased BERT's"
LEFT_OUT = {
    "test_rerank.py::test_rerank_usage": "counts tokens of jina-reranker-v1's vocabulary",
    "test_basic.py::test_server_multiple_addresses": COMPLETES,
    "test_basic.py::test_load_split_model": COMPLETES,
    "test_basic.py::test_server_props": SLOTS,
    "test_basic.py::test_server_slots": SLOTS,
    "test_security.py::test_correct_api_key": COMPLETES,
    "test_security.py::test_correct_api_key_anthropic_header": COMPLETES,
    "test_security.py::test_openai_library_correct_api_key": COMPLETES,
    "test_security.py::test_access_static_assets_without_api_key": "asks for the files of llama.cpp's own page",
    "test_security.py::test_cors_options": CORS,
    "test_security.py::test_cors_origins_defaults_to_localhost_with_tools_enabled": TOOLS,
    "test_security.py::test_cors_proxy_only_forwards_explicit_proxy_headers": TOOLS,
    "test_security.py::test_local_media_file": MEDIA,
    "test_tokenize.py::test_tokenize_detokenize": WORDS,
    "test_tokenize.py::test_tokenize_with_bos": WORDS,
}


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    for item in items:
        name = item.nodeid.split("[")[0].split("/")[-1]
        if name in LEFT_OUT:
            item.add_marker(pytest.mark.skip(reason=LEFT_OUT[name]))


def pytest_configure():
    import utils

    start = utils.ServerProcess.start

    def start_built_in(self, *args, **kwargs):
        self.model_hf_repo = self.model_hf_file = self.model_file = self.model_url = None
        return start(self, *args, **kwargs)

    utils.ServerProcess.start = start_built_in
    utils.ServerPreset.load_all = staticmethod(lambda: None)  # downloads them
