#!/usr/bin/env python3
"""transformers' side of extract.ts: the rollouts of an extraction written in batches, then read one by one.

    python extract.py MODEL.gguf PROMPTS.json SAMPLES MAX_TOKENS THREADS BATCH

PROMPTS.json is a list of rendered prompts. Prints one JSON line: seconds of writing and of reading, answer tokens.
Each answer is sampled at temperature 1 (the likeliest when SAMPLES is 1) in float32 with left padding, and has
MAX_TOKENS tokens, since it does not end where the model would; then prompt and
answer go through the model once more and the mean of every block over the answer is taken, as the paper's code does.
Needs: pip install torch transformers gguf
"""
import json, os, sys, time
import torch
import transformers
from transformers import AutoModelForCausalLM, AutoTokenizer

transformers.logging.set_verbosity_error()
path, prompts, samples, max_tokens, threads, batch = sys.argv[1:]
samples, max_tokens, batch = int(samples), int(max_tokens), int(batch)
torch.set_num_threads(int(threads))
folder, file = os.path.split(os.path.abspath(path))
tok = AutoTokenizer.from_pretrained(folder, gguf_file=file)
model = AutoModelForCausalLM.from_pretrained(folder, gguf_file=file, dtype=torch.float32).eval()
tok.padding_side = "left"
if tok.pad_token_id is None:
    tok.pad_token = tok.eos_token
model.generation_config.eos_token_id = None
jobs = [p for p in json.load(open(prompts)) for _ in range(samples)]
torch.manual_seed(0)


@torch.no_grad()
def write():
    answers = []
    for i in range(0, len(jobs), batch):
        enc = tok(jobs[i:i + batch], return_tensors="pt", padding=True, add_special_tokens=False)
        how = {"do_sample": False} if samples == 1 else {"do_sample": True, "temperature": 1.0, "top_p": 1.0, "top_k": 0}
        out = model.generate(**enc, **how, max_new_tokens=max_tokens, pad_token_id=tok.pad_token_id)
        answers.extend(out[:, enc.input_ids.shape[1]:].tolist())
    return answers


@torch.no_grad()
def read(answers):
    sums = 0
    for prompt, answer in zip(jobs, answers):
        if not answer:
            continue
        ids = tok(prompt, add_special_tokens=False).input_ids
        out = model(input_ids=torch.tensor([ids + answer]), output_hidden_states=True, use_cache=False)
        sums = sums + torch.stack([h[0, len(ids):].mean(0) for h in out.hidden_states])
    return sums


begun = time.perf_counter()
answers = write()
written = time.perf_counter()
read(answers)
done = time.perf_counter()
print(json.dumps({"writing": written - begun, "reading": done - written, "tokens": sum(map(len, answers)),
                  "rollouts": len(jobs), "torch": torch.__version__, "transformers": transformers.__version__}))
