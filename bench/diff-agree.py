#!/usr/bin/env python3
"""PyTorch's side of diff-agree.ts: LoRA adapters made with PEFT, and how far each moves the last prompt token.

    python diff-agree.py make MODEL.gguf ROWS.jsonl FOLDER STEPS      FOLDER/random and FOLDER/trained, as PEFT saves them
    python diff-agree.py shift MODEL.gguf QUESTIONS.json VECTORS.f32 ADAPTER

ROWS.jsonl has {"question", "answer"}. `random` has rank 4 and drawn A and B on the attention; `trained` has rank 8 on
all linear layers and is trained on the rows for so many steps. `shift` prints one JSON line: mean over the questions of
(h_tuned - h_base) along v/|v|, and the standard deviation of the base's projections, each a number a block.
Needs: pip install torch transformers gguf peft
"""
import json, os, sys
import numpy as np
import torch
import transformers
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import AutoModelForCausalLM, AutoTokenizer

transformers.logging.set_verbosity_error()
torch.set_num_threads(int(os.environ.get("THREADS", "2")))
torch.manual_seed(0)


def load(path):
    folder, file = os.path.split(os.path.abspath(path))
    tok = AutoTokenizer.from_pretrained(folder, gguf_file=file)
    packed = AutoModelForCausalLM.from_pretrained(folder, gguf_file=file, dtype=torch.float32)
    config = packed.config
    if hasattr(config, "quantization_config"):
        delattr(config, "quantization_config")
    model = AutoModelForCausalLM.from_config(config, dtype=torch.float32, attn_implementation="eager")
    missing, unexpected = model.load_state_dict(packed.state_dict(), strict=False)
    assert not unexpected and all("lm_head" in name for name in missing), (missing, unexpected)
    model.tie_weights()
    return model.eval(), tok


def prompt_ids(tok, question):
    text = tok.apply_chat_template([{"role": "user", "content": question}], tokenize=False, add_generation_prompt=True)
    return tok(text, add_special_tokens=False).input_ids


def make(model, tok, rows, folder, steps):
    attention = ["q_proj", "k_proj", "v_proj", "o_proj"]
    tuned = get_peft_model(model, LoraConfig(r=4, lora_alpha=8, target_modules=attention, task_type="CAUSAL_LM"))
    for name, p in tuned.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(p, std=0.02)
    tuned.save_pretrained(os.path.join(folder, "random"))
    model = tuned.unload()
    linear = attention + ["gate_proj", "up_proj", "down_proj"]
    tuned = get_peft_model(model, LoraConfig(r=8, lora_alpha=16, target_modules=linear, task_type="CAUSAL_LM")).train()
    how = torch.optim.AdamW([p for p in tuned.parameters() if p.requires_grad], lr=1e-3)
    for step in range(steps):
        how.zero_grad()
        losses = []
        for row in rows[4 * step % len(rows):][:4]:
            prompt = prompt_ids(tok, row["question"])
            answer = tok(row["answer"], add_special_tokens=False).input_ids + [tok.eos_token_id]
            labels = torch.tensor([[-100] * len(prompt) + answer])
            loss = tuned(input_ids=torch.tensor([prompt + answer]), labels=labels).loss / 4
            loss.backward()
            losses.append(4 * loss.item())
        how.step()
        print(f"step {step}: loss {np.mean(losses):.3f}", file=sys.stderr)
    tuned.save_pretrained(os.path.join(folder, "trained"))


@torch.no_grad()
def last_tokens(model, blocks, prompts):
    """(prompts, blocks, d)"""
    rows = []
    hooks = [block.register_forward_hook(lambda _m, _i, out: rows.append((out[0] if isinstance(out, tuple) else out)[0, -1].double()))
             for block in blocks]
    found = []
    for ids in prompts:
        rows.clear()
        model(input_ids=torch.tensor([ids]), use_cache=False)
        found.append(torch.stack(rows))
    for hook in hooks:
        hook.remove()
    return torch.stack(found)


verb, path, *rest = sys.argv[1:]
model, tok = load(path)
if verb == "make":
    rows, folder, steps = rest
    make(model, tok, [json.loads(line) for line in open(rows)], folder, int(steps))
else:
    questions, vectors, adapter = rest
    prompts = [prompt_ids(tok, question) for question in json.load(open(questions))]
    blocks = model.model.layers
    v = torch.from_numpy(np.fromfile(vectors, dtype="<f4").astype(np.float64)).reshape(len(blocks), -1)
    v = v / v.norm(dim=1, keepdim=True)
    base = last_tokens(model, blocks, prompts)
    tuned = last_tokens(PeftModel.from_pretrained(model, adapter).eval(), blocks, prompts)
    along = ((tuned - base) * v).sum(-1)
    print(json.dumps({"shift": along.mean(0).tolist(), "spread": (base * v).sum(-1).std(0).tolist(),
                      "norm": (tuned - base).mean(0).norm(dim=-1).tolist()}))
