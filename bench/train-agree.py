#!/usr/bin/env python3
"""PEFT's side of train-agree.ts: the same steps on the same weights, dequantised to float32.

    python train-agree.py JOB.json

JOB.json: model (GGUF), adapter (folder, the first factors), threads, learningRate, warmup, weightDecay, clip, edit
({layer, add} or null), batches: by step, by sample, {tokens, promptLength}. Prints the loss of each step, before it.
"""
import json, sys
import torch
from peft import PeftModel
from transformers import get_linear_schedule_with_warmup
from train_peft import load_gguf, steer

job = json.load(open(sys.argv[1]))
torch.set_num_threads(job["threads"])
model = PeftModel.from_pretrained(load_gguf(job["model"]), job["adapter"], is_trainable=True)
model.train()
if job["edit"]:
    steer(model, job["edit"]["layer"], torch.tensor(job["edit"]["add"]))
weights = [p for p in model.parameters() if p.requires_grad]
optimizer = torch.optim.AdamW(weights, lr=job["learningRate"], weight_decay=job["weightDecay"])
schedule = get_linear_schedule_with_warmup(optimizer, job["warmup"], len(job["batches"]))
losses = []
for batch in job["batches"]:
    longest = max(len(sample["tokens"]) for sample in batch)
    ids = torch.zeros(len(batch), longest, dtype=torch.long)
    labels = torch.full((len(batch), longest), -100)
    mask = torch.zeros(len(batch), longest, dtype=torch.long)
    for row, sample in enumerate(batch):
        tokens = torch.tensor(sample["tokens"])
        ids[row, : len(tokens)] = tokens
        mask[row, : len(tokens)] = 1
        labels[row, sample["promptLength"] : len(tokens)] = tokens[sample["promptLength"] :]
    logits = model(input_ids=ids, attention_mask=mask).logits
    loss = torch.nn.functional.cross_entropy(logits[:, :-1].flatten(0, 1), labels[:, 1:].flatten(), ignore_index=-100)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(weights, job["clip"])
    optimizer.step()
    schedule.step()
    optimizer.zero_grad()
    losses.append(loss.item())
print(json.dumps(losses))
