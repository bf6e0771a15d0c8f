"""Make the CTranslate2 form (int8) of a BERT or XLM-R folder that make_models.py wrote.

    python ct2_convert.py MODEL_DIR

CTranslate2 converts the encoder without its classification head, so the head's
tensors are left out of a copy first.
"""
import json
import pathlib
import sys
import tempfile

import ctranslate2
from transformers import AutoModelForSequenceClassification


def main():
    path = pathlib.Path(sys.argv[1])
    with tempfile.TemporaryDirectory() as tmp:
        model = AutoModelForSequenceClassification.from_pretrained(path)
        base = getattr(model, model.base_model_prefix)
        base.config.position_embedding_type = "absolute"  # needed by the converter, no longer written by transformers 5
        base.save_pretrained(tmp)
        # The converter needs a vocabulary file next to the weights; its words are not used.
        vocab = {f"t{i}": i for i in range(model.config.vocab_size)}
        from tokenizers import Tokenizer, models
        Tokenizer(models.WordLevel(vocab, unk_token="t0")).save(f"{tmp}/tokenizer.json")
        json.dump({"tokenizer_class": "PreTrainedTokenizerFast", "unk_token": "t0"}, open(f"{tmp}/tokenizer_config.json", "w"))
        ctranslate2.converters.TransformersConverter(tmp).convert(f"{path}-ct2", quantization="int8", force=True)


main()
