"""Adapts llama.cpp's server tests to winnow: the presets' models, which come from a hub, are
replaced by small ones from testdata, and tests that cannot pass are excluded by name, with
the reason. NOT_RUN lists whole files."""

import pathlib
import shutil
import tempfile

import pytest

WORDS = "expects the words, or the number of tokens, of llama.cpp's own test model; testdata's have random weights and other vocabularies"
SLOTS = "divides the context among slots: a request to winnow may have all of it"
CORS = "wants CORS without a flag: winnow's is off until --cors-origins sets it (TestCORS covers it)"
TOOLS = "tools and a proxy for them are no part of winnow"
MEDIA = "pictures and sounds are no part of winnow"
GRAMMAR = "grammars and JSON schemas: winnow refuses them with 400"
BIAS = "logit_bias: winnow refuses it with 400"
POST = "post_sampling_probs: winnow refuses it with 400"
NAMES = "gives a chat template by llama.cpp's own name of it, or renders tools; winnow takes Jinja (TestConversations covers it)"
VERBOSE = "reads __verbose, which winnow's replies do not have"
PROGRESS = "return_progress: winnow reads a prompt as a whole"
SPECULATIVE = "counts speculative decoding, which winnow does not do"
HUB = "downloads its model"
LEFT_OUT = {
    "test_rerank.py::test_rerank_usage": WORDS,
    "test_basic.py::test_load_split_model": HUB,
    "test_basic.py::test_server_props": SLOTS,
    "test_basic.py::test_server_slots": SLOTS,
    "test_security.py::test_access_static_assets_without_api_key": "asks for the files of llama.cpp's own page",
    "test_security.py::test_cors_options": CORS,
    "test_security.py::test_cors_origins_defaults_to_localhost_with_tools_enabled": TOOLS,
    "test_security.py::test_cors_proxy_only_forwards_explicit_proxy_headers": TOOLS,
    "test_security.py::test_local_media_file": MEDIA,
    "test_embedding.py::test_embedding_pooling_none": WORDS + " (TestEmbedAll covers it)",
    "test_embedding.py::test_embedding_usage_single": WORDS,
    "test_embedding.py::test_embedding_usage_multiple": WORDS,
    "test_embedding.py::test_embedding_error_prompt_too_long": "a text that is too long is cut, unless truncate is false (TestEmbeddingErrors)",
    "test_metrics.py::test_metrics_prometheus_format": SPECULATIVE,
    "test_metrics.py::test_metrics_timings_on_prompt_progress": PROGRESS,
    "test_ignore_eos.py::test_ignore_eos_populates_logit_bias": "reads ignore_eos as biases; winnow's reply says ignore_eos (TestCompletion)",
    "test_ignore_eos.py::test_ignore_eos_false_no_logit_bias": "reads ignore_eos as biases; winnow's reply says ignore_eos (TestCompletion)",
    "test_completion.py::test_completion": WORDS,
    "test_completion.py::test_completion_stream": WORDS,
    "test_completion.py::test_completion_with_openai_library": WORDS,
    "test_completion.py::test_completion_stream_with_openai_library": WORDS,
    "test_completion.py::test_completion_stream_with_openai_library_stops": HUB,
    "test_completion.py::test_nocache_long_input_prompt": SLOTS,
    "test_completion.py::test_completion_response_fields": WORDS,
    "test_completion.py::test_n_probs_post_sampling": POST,
    "test_completion.py::test_n_probs_post_backend_sampling": POST,
    "test_completion.py::test_logit_bias": BIAS,
    "test_chat_completion.py::test_chat_completion": WORDS,
    "test_chat_completion.py::test_chat_completion_cached_tokens": WORDS,
    "test_chat_completion.py::test_chat_completion_stream": WORDS,
    "test_chat_completion.py::test_chat_completion_with_openai_library": WORDS,
    "test_chat_completion.py::test_chat_template": NAMES,
    "test_chat_completion.py::test_chat_template_assistant_prefill": VERBOSE,
    "test_chat_completion.py::test_chat_template_continue_final_message_vllm_compat": VERBOSE,
    "test_chat_completion.py::test_apply_chat_template": NAMES,
    "test_chat_completion.py::test_completion_with_response_format": GRAMMAR,
    "test_chat_completion.py::test_completion_with_json_schema": GRAMMAR,
    "test_chat_completion.py::test_completion_with_grammar": GRAMMAR,
    "test_chat_completion.py::test_logprobs": WORDS + ": its first token is no text",
    "test_chat_completion.py::test_logprobs_stream": WORDS + ": its first token is no text",
    "test_chat_completion.py::test_logit_bias": BIAS,
    "test_chat_completion.py::test_context_size_exceeded": SLOTS,
    "test_chat_completion.py::test_context_size_exceeded_stream": SLOTS,
    "test_chat_completion.py::test_return_progress": PROGRESS,
    "test_chat_completion.py::test_chat_completions_multiple_choices": "n: winnow makes one choice, and refuses more with 400",
    "test_chat_completion.py::test_chat_completions_token_count": "asks for /chat/completions/input_tokens",
    "test_chat_completion.py::test_verbose_debug": VERBOSE,
    "test_ctx_shift.py::test_ctx_shift_enabled": "shifts the context; winnow ends where the window does",
    "test_ctx_shift.py::test_ctx_shift_disabled_short_prompt": SLOTS,
    "test_ctx_shift.py::test_ctx_shift_disabled_long_prompt": SLOTS,
}
# Files that llamacpp.sh does not run.
NOT_RUN = {
    "test_compat_anthropic.py": "Anthropic's dialect",
    "test_compat_gcp.py": "Google Cloud's dialect",
    "test_compat_oai_responses.py": "OpenAI's dialect of responses",
    "test_infill.py": "filling in the middle",
    "test_kv_keep_only_active.py": "slots' KV caches in memory",
    "test_lora.py": "LoRA adapters",
    "test_mcp_servers.py": TOOLS,
    "test_proxy.py": TOOLS,
    "test_router.py": "a process for each model, and loading by request",
    "test_sleep.py": "unloading while idle",
    "test_slot_save.py": "slots in files",
    "test_speculative.py": "speculative decoding",
    "test_stream.py": "streams that are taken up again",
    "test_template.py": NAMES,
    "test_tool_call.py": TOOLS,
    "test_tools_builtin.py": TOOLS,
    "test_vision_api.py": MEDIA,
}


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    found = set()
    for item in items:
        name = item.nodeid.split("[")[0].split("/")[-1]
        if name in LEFT_OUT:
            found.add(name)
            item.add_marker(pytest.mark.skip(reason=LEFT_OUT[name]))
    # Renamed tests and new files need a decision.
    unit = pathlib.Path(items[0].fspath).parent
    run = {pathlib.Path(item.fspath).name for item in items}
    unknown = sorted(set(LEFT_OUT) - found) + sorted({f.name for f in unit.glob("test_*.py")} - run - set(NOT_RUN))
    if unknown:
        raise pytest.UsageError(f"neither run nor left out with a reason: {', '.join(unknown)}")


CHATML = """{% for message in messages %}{{ '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}{% endfor %}
{%- if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"""
TESTDATA = pathlib.Path(__file__).resolve().parents[2] / "testdata"


def pytest_configure(config):
    import utils

    folder = pathlib.Path(tempfile.mkdtemp(prefix="winnow-"))
    config.add_cleanup(lambda: shutil.rmtree(folder))
    shutil.copytree(TESTDATA / "llama-lm", folder / "llama-lm")
    (folder / "llama-lm" / "chat_template.jinja").write_text(CHATML)

    start = utils.ServerProcess.start

    def start_ours(self, *args, **kwargs):
        self.model_file = None
        if self.server_embeddings:
            self.model_file = str(TESTDATA / "embed-bge")
        elif not self.server_reranking:
            self.model_file = str(folder / "llama-lm")
        self.model_hf_repo = self.model_hf_file = self.model_url = None
        return start(self, *args, **kwargs)

    utils.ServerProcess.start = start_ours
    utils.ServerPreset.load_all = staticmethod(lambda: None)  # would download them
