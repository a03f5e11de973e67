"""The side of transformers and PEFT in bench/adapter-peft.ts, and the fixture of the unit tests.

    python bench/adapter-peft.py answer BASE_FOLDER PEFT_FOLDER TOKENS < prompts.json    a JSON line an answer
    python bench/adapter-peft.py train  BASE_FOLDER PEFT_FOLDER RANK ALPHA               an adapter of PEFT's own
    python bench/adapter-peft.py make   test/train/fixtures/peft                         the fixture

Answers are greedy, each prompt by itself and in float32: {"tokens": [...], "gaps": [...]}, a gap being how far the
second-best logit lies below the best. Prompts are token ids. `train` makes factors as large as a trained adapter's, in
bfloat16, with the names and settings that this version of PEFT writes.
"""

import json
import os
import sys

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM

MODULES = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]


def load(folder):
    return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()


def answer(base, adapter, count):
    model = PeftModel.from_pretrained(load(base), adapter).eval()
    for prompt in json.load(sys.stdin):
        ids, tokens, gaps, cache = torch.tensor([prompt]), [], [], None
        with torch.no_grad():
            for _ in range(count):
                out = model(input_ids=ids, past_key_values=cache, use_cache=True)
                cache = out.past_key_values
                best = out.logits[0, -1].topk(2)
                tokens.append(int(best.indices[0]))
                gaps.append(float(best.values[0] - best.values[1]))
                ids = best.indices[:1].view(1, 1)
        print(json.dumps({"tokens": tokens, "gaps": gaps}), flush=True)


def config(rank, alpha):
    return LoraConfig(r=rank, lora_alpha=alpha, use_rslora=True, target_modules=MODULES, task_type="CAUSAL_LM")


def train(base, folder, rank, alpha):
    torch.manual_seed(1)
    model = get_peft_model(load(base), config(rank, alpha))
    for name, weights in model.named_parameters():
        if "lora_A" in name:
            weights.data = torch.randn_like(weights) / weights.shape[1] ** 0.5
        if "lora_B" in name:
            weights.data = torch.randn_like(weights) * 0.02
        if "lora_" in name:
            weights.data = weights.data.to(torch.bfloat16)
    model.save_pretrained(folder)


def make(folder):
    base = LlamaForCausalLM(LlamaConfig(hidden_size=8, num_attention_heads=2, num_key_value_heads=1, head_dim=4,
                                        intermediate_size=12, num_hidden_layers=2, vocab_size=16))
    model = get_peft_model(base, config(2, 4))
    planted = 0
    for name, weights in model.named_parameters():
        if "lora_" in name:  # multiples of 1/16 with at most eight bits, so that bfloat16 holds them exactly
            count = torch.arange(weights.numel()) + planted
            weights.data = ((count * 37 % 251 - 125) / 16).reshape(weights.shape).to(torch.bfloat16)
            planted += 1
    model.save_pretrained(folder)
    os.remove(os.path.join(folder, "README.md"))  # a card, for hubs
    os.chmod(os.path.join(folder, "adapter_model.safetensors"), 0o644)


if __name__ == "__main__":
    verb, *rest = sys.argv[1:]
    if verb == "answer":
        answer(rest[0], rest[1], int(rest[2]))
    elif verb == "train":
        train(rest[0], rest[1], int(rest[2]), float(rest[3]))
    else:
        make(rest[0])
