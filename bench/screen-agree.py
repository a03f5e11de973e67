#!/usr/bin/env python3
"""transformers' side of screen-agree.ts: projections of chat rows from the same weights, dequantised to float32.

    python screen-agree.py MODEL.gguf ROWS.jsonl VECTOR.f32 LAYER THREADS MAX_TOKENS

ROWS.jsonl has {"question", "answer"}; VECTOR.f32 holds the raw little-endian direction. Prints one JSON line:
`projection` (mean of the answer's tokens), `last` (last prompt token) and `own` (mean of the greedy answer of up to
MAX_TOKENS), each along v/|v|, a number a row. The prompt is what the model's own chat template makes of the question;
prompt and answer are tokenised apart. Needs: pip install torch transformers gguf
"""
import json, os, sys
import numpy as np
import torch
import transformers
from transformers import AutoModelForCausalLM, AutoTokenizer

transformers.logging.set_verbosity_error()
path, rows_path, vector, layer, threads, max_tokens = sys.argv[1:]
layer, max_tokens = int(layer), int(max_tokens)
torch.set_num_threads(int(threads))
folder, file = os.path.split(os.path.abspath(path))
tok = AutoTokenizer.from_pretrained(folder, gguf_file=file)
model = AutoModelForCausalLM.from_pretrained(folder, gguf_file=file, dtype=torch.float32, attn_implementation="eager").eval()
v = torch.from_numpy(np.fromfile(vector, dtype="<f4").astype(np.float64))
v = v / v.norm()
grabbed = []
model.model.layers[layer].register_forward_hook(lambda _m, _i, out: grabbed.append((out[0] if isinstance(out, tuple) else out)[0].double()))


@torch.no_grad()
def along(ids):
    """Projection of every token after the block, (tokens,)"""
    grabbed.clear()
    model.model(input_ids=torch.tensor([ids]), use_cache=False)
    return grabbed[0] @ v


@torch.no_grad()
def own_answer(prompt):
    out = model.generate(torch.tensor([prompt]), attention_mask=torch.ones(1, len(prompt), dtype=torch.long), do_sample=False,
                         max_new_tokens=max_tokens, pad_token_id=tok.eos_token_id)[0, len(prompt):].tolist()
    return out[:out.index(tok.eos_token_id)] if tok.eos_token_id in out else out


known = {}
result = {"projection": [], "last": [], "own": [], "versions": {"torch": torch.__version__, "transformers": transformers.__version__}}
for line in open(rows_path):
    row = json.loads(line)
    text = tok.apply_chat_template([{"role": "user", "content": row["question"]}], tokenize=False, add_generation_prompt=True)
    prompt = tok(text, add_special_tokens=False).input_ids
    answer = tok(row["answer"], add_special_tokens=False).input_ids
    found = along(prompt + answer)
    result["projection"].append(found[len(prompt):].mean().item())
    result["last"].append(found[len(prompt) - 1].item())
    if max_tokens > 0:
        if text not in known:
            ids = own_answer(prompt)
            known[text] = (along(prompt + ids)[len(prompt):].mean().item(), tok.decode(ids))
        result["own"].append(known[text][0])
print(json.dumps(result))
