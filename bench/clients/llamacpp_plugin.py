"""Fits llama.cpp's server tests to winnow: the presets' models are replaced by
the built-in one, since theirs come from a hub, and what cannot hold for a
reranker is left out by name, with the reason."""

import pytest

COMPLETES = "completes text: the built-in model is a reranker; see docs/decoders.md for models that complete"
LEFT_OUT = {
    "test_rerank.py::test_rerank_usage": "counts tokens of jina-reranker-v1's vocabulary",
    "test_basic.py::test_server_multiple_addresses": COMPLETES,
    "test_basic.py::test_load_split_model": COMPLETES,
    "test_security.py::test_correct_api_key": COMPLETES,
    "test_security.py::test_correct_api_key_anthropic_header": COMPLETES,
    "test_security.py::test_openai_library_correct_api_key": COMPLETES,
}


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    for item in items:
        name = item.nodeid.split("/")[-1].split("[")[0]
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
