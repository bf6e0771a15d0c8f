"""A GGUF file of Qwen3-Reranker-0.6B's shape with random weights, for timing only: its output is meaningless.

    python make_gguf.py OUT            writes OUT/rerank-Q8_0.gguf and OUT/lm-Q8_0.gguf (0.64 GB each)
    llama-quantize --allow-requantize OUT/rerank-Q8_0.gguf OUT/rerank-Q4_K_M.gguf Q4_K_M

The first is laid out as by llama.cpp's converter: cls.output with the rows of "yes" and "no", pooling RANK and the chat
template "rerank". The second is the language model without these. The vocabulary has the real size; its merges cover
the words of the template and WORDS, so that a word is a token, as in real text.
"""
import pathlib
import random
import re
import sys

import gguf
import numpy as np

HIDDEN, MIDDLE, LAYERS, HEADS, KEY_HEADS, DIM, VOCABULARY = 1024, 3072, 28, 16, 8, 128, 151936
TEMPLATE = ("<|im_start|>system\nJudge whether the Document meets the requirements based on the Query and the Instruct provided. "
            "Note that the answer can only be \"yes\" or \"no\".<|im_end|>\n<|im_start|>user\n"
            "<Instruct>: Given a web search query, retrieve relevant passages that answer the query\n"
            "<Query>: {query}\n<Document>: {document}<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n")
CONTROL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
KNOWN = ["<think>", "</think>"]


def words():
    rng = random.Random(3)
    return ["".join(rng.choice("bcdfghklmnprstvw") + rng.choice("aeiou") for _ in range(rng.randint(1, 3))) for _ in range(2000)]


WORDS = words()


def vocabulary():
    """Tokens, their types and the merges. A word's token is merged from left to right."""
    visible = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    byte = {b: chr(b) for b in visible}
    for b in range(256):
        byte.setdefault(b, chr(256 + len(byte) - len(visible)))
    tokens = list(byte.values())
    merges = {}
    for word in re.findall(r" ?\w+", TEMPLATE) + [" " + w for w in WORDS]:
        text = "".join(byte[b] for b in word.encode())
        for n in range(2, len(text) + 1):
            merges.setdefault(text[:n], (text[: n - 1], text[n - 1]))
    # Short ones first, and those beginning with a space before the others.
    ordered = sorted(merges, key=lambda t: (len(t), t[0] != byte[0x20]))
    tokens += ordered
    types = [gguf.TokenType.NORMAL] * len(tokens)
    for t in CONTROL + KNOWN:
        tokens.append(t)
        types.append(gguf.TokenType.CONTROL if t in CONTROL else gguf.TokenType.USER_DEFINED)
    while len(tokens) < VOCABULARY:
        tokens.append(f"[PAD{len(tokens)}]")
        types.append(gguf.TokenType.UNUSED)
    return tokens, types, [" ".join(merges[t]) for t in ordered]


def write(path, rerank):
    w = gguf.GGUFWriter(path, "qwen3")
    w.add_name("Qwen3 Reranker 0.6B, random")
    w.add_block_count(LAYERS)
    w.add_context_length(40960)
    w.add_embedding_length(HIDDEN)
    w.add_feed_forward_length(MIDDLE)
    w.add_head_count(HEADS)
    w.add_head_count_kv(KEY_HEADS)
    w.add_key_length(DIM)
    w.add_value_length(DIM)
    w.add_rope_freq_base(1e6)
    w.add_layer_norm_rms_eps(1e-6)
    w.add_file_type(gguf.LlamaFileType.MOSTLY_Q8_0)
    if rerank:
        w.add_pooling_type(gguf.PoolingType.RANK)
        w.add_classifier_output_labels(["yes", "no"])
        w.add_chat_template([{"name": "rerank", "template": TEMPLATE}])
    tokens, types, merges = vocabulary()
    w.add_tokenizer_model("gpt2")
    w.add_tokenizer_pre("qwen2")
    w.add_token_list(tokens)
    w.add_token_types(types)
    w.add_token_merges(merges)
    w.add_eos_token_id(tokens.index("<|im_end|>"))
    w.add_pad_token_id(tokens.index("<|endoftext|>"))
    w.add_add_bos_token(False)

    rng = np.random.default_rng(1)

    def q8(name, rows, cols, size):
        blocks = np.empty((rows * cols // 32, 34), np.uint8)
        blocks[:, :2] = np.float16(size / 73).reshape(1).view(np.uint8)
        blocks[:, 2:] = rng.integers(-127, 128, (len(blocks), 32), dtype=np.int8).view(np.uint8)
        w.add_tensor(name, blocks.reshape(rows, cols // 32 * 34), raw_dtype=gguf.GGMLQuantizationType.Q8_0)

    def ones(name, n):
        w.add_tensor(name, np.ones(n, np.float32))

    q8("token_embd.weight", VOCABULARY, HIDDEN, 0.03)
    for i in range(LAYERS):
        p = f"blk.{i}."
        ones(p + "attn_norm.weight", HIDDEN)
        ones(p + "ffn_norm.weight", HIDDEN)
        ones(p + "attn_q_norm.weight", DIM)
        ones(p + "attn_k_norm.weight", DIM)
        q8(p + "attn_q.weight", HEADS * DIM, HIDDEN, 1 / 32)
        q8(p + "attn_k.weight", KEY_HEADS * DIM, HIDDEN, 1 / 32)
        q8(p + "attn_v.weight", KEY_HEADS * DIM, HIDDEN, 1 / 32)
        q8(p + "attn_output.weight", HIDDEN, HEADS * DIM, 1 / 45)
        q8(p + "ffn_gate.weight", MIDDLE, HIDDEN, 1 / 32)
        q8(p + "ffn_up.weight", MIDDLE, HIDDEN, 1 / 32)
        q8(p + "ffn_down.weight", HIDDEN, MIDDLE, 1 / 55)
    ones("output_norm.weight", HIDDEN)
    if rerank:
        w.add_tensor("cls.output.weight", rng.normal(0, 0.03, (2, HIDDEN)).astype(np.float32))
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()


if __name__ == "__main__":
    folder = pathlib.Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    write(folder / "rerank-Q8_0.gguf", True)
    write(folder / "lm-Q8_0.gguf", False)
