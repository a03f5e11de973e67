#!/usr/bin/env python3
"""transformers' side of screen-speed.ts: chat rows read, or answered and read, in float32.

    python screen-speed.py MODEL.gguf ROWS.jsonl LAYER THREADS BATCH MAX_TOKENS

ROWS.jsonl has {"prompt": rendered text, "answer": text}. Rows are sorted by length and read in batches; the pass ends
after block LAYER. With MAX_TOKENS > 0 every prompt is first answered greedily, in batches, and that answer is read too.
Prints one JSON line: seconds, tokens of the rows, MiB that were in memory at most while it worked.
Needs: pip install torch transformers gguf
"""
import json, os, sys, time
import torch
import transformers
from transformers import AutoModelForCausalLM, AutoTokenizer

transformers.logging.set_verbosity_error()
path, rows, layer, threads, batch, max_tokens = sys.argv[1:]
layer, batch, max_tokens = int(layer), int(batch), int(max_tokens)
torch.set_num_threads(int(threads))
folder, file = os.path.split(os.path.abspath(path))
tok = AutoTokenizer.from_pretrained(folder, gguf_file=file)
model = AutoModelForCausalLM.from_pretrained(folder, gguf_file=file, dtype=torch.float32).eval()
if tok.pad_token_id is None:
    tok.pad_token = tok.eos_token
v = torch.randn(model.config.hidden_size, generator=torch.Generator().manual_seed(0))
v = v / v.norm()
rows = [json.loads(line) for line in open(rows)]
ids = lambda text: tok(text, add_special_tokens=False).input_ids
reset_peak = lambda: open("/proc/self/clear_refs", "w").write("5")
peak = lambda: next(int(line.split()[1]) / 1024 for line in open("/proc/self/status") if line.startswith("VmHWM"))


class Stop(Exception):
    pass


def stop(_module, _inputs, out):
    raise Stop(out[0] if isinstance(out, tuple) else out)


@torch.no_grad()
def read(pairs):
    """Projections of the answers' means and of the last prompt tokens."""
    order = sorted(range(len(pairs)), key=lambda i: len(pairs[i][0]) + len(pairs[i][1]))
    found = [None] * len(pairs)
    hook = model.model.layers[layer].register_forward_hook(stop)
    for at in range(0, len(order), batch):
        part = order[at:at + batch]
        texts = [pairs[i][0] + pairs[i][1] for i in part]
        width = max(map(len, texts))
        enc = torch.tensor([text + [tok.pad_token_id] * (width - len(text)) for text in texts])
        mask = torch.tensor([[1] * len(text) + [0] * (width - len(text)) for text in texts])
        try:
            model.model(input_ids=enc, attention_mask=mask, use_cache=False)
        except Stop as ended:
            hidden = ended.args[0]
        for b, i in enumerate(part):
            n = len(pairs[i][0])
            found[i] = ((hidden[b, n:len(texts[b])].mean(0) @ v).item(), (hidden[b, n - 1] @ v).item())
    hook.remove()
    return found


@torch.no_grad()
def answer(prompts):
    tok.padding_side = "left"
    answers = []
    for at in range(0, len(prompts), batch):
        enc = tok(prompts[at:at + batch], return_tensors="pt", padding=True, add_special_tokens=False)
        out = model.generate(**enc, do_sample=False, max_new_tokens=max_tokens, pad_token_id=tok.pad_token_id,
                             eos_token_id=tok.eos_token_id)
        for row in out[:, enc.input_ids.shape[1]:].tolist():
            answers.append(row[:row.index(tok.eos_token_id)] if tok.eos_token_id in row else row)
    return answers


reset_peak()
begun = time.perf_counter()
pairs = [(ids(row["prompt"]), ids(row["answer"])) for row in rows]
read(pairs)
if max_tokens > 0:
    own = answer([row["prompt"] for row in rows])
    read([(prompt, text or [tok.eos_token_id]) for (prompt, _), text in zip(pairs, own)])
print(json.dumps({"seconds": time.perf_counter() - begun, "tokens": sum(len(a) + len(b) for a, b in pairs), "memory": peak()}))
