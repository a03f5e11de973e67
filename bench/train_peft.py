#!/usr/bin/env python3
"""PEFT's side of train.ts, and what train-agree.py needs of it.

    python train_peft.py convert MODEL.gguf FOLDER   the weights, dequantised to float32, as a plain model
    python train_peft.py time JOB.json               steps on such a folder: seconds of each, peak memory

JOB.json: model (FOLDER), threads, rank, alpha, learningRate, layer, add (a vector in the stream after that block),
batches (by step: rows of tokens, equally long, all learnt). One process a measurement, so that its peak memory says
something. Needs: pip install torch transformers peft gguf
"""
import copy, json, os, resource, sys, time
import torch
import transformers
from transformers import AutoModelForCausalLM

MODULES = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]


def load_gguf(path):
    """Loaded from GGUF a model still calls itself quantised, which PEFT minds; its weights go into a fresh one."""
    transformers.logging.set_verbosity_error()
    folder, file = os.path.split(os.path.abspath(path))
    loaded = AutoModelForCausalLM.from_pretrained(folder, gguf_file=file, dtype=torch.float32)
    config = copy.deepcopy(loaded.config)
    if hasattr(config, "quantization_config"):
        delattr(config, "quantization_config")
    model = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    missing, unexpected = model.load_state_dict(loaded.state_dict(), strict=False)
    assert not unexpected and all("lm_head" in key for key in missing), (missing, unexpected)
    model.tie_weights()
    model.config.use_cache = False
    return model


def steer(model, layer, vector):
    """Adds `vector` to the output of block `layer`, at all positions."""
    def add(_module, _inputs, out):
        return (out[0] + vector, *out[1:]) if isinstance(out, tuple) else out + vector
    return model.get_base_model().model.layers[layer].register_forward_hook(add)


def measure(job):
    from peft import LoraConfig, get_peft_model
    torch.set_num_threads(job["threads"])
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_pretrained(job["model"], dtype=torch.float32)
    model.config.use_cache = False
    model = get_peft_model(model, LoraConfig(
        r=job["rank"], lora_alpha=job["alpha"], use_rslora=True, lora_dropout=0.0, target_modules=MODULES,
        task_type="CAUSAL_LM"))
    model.train()
    steer(model, job["layer"], torch.tensor(job["add"]))
    weights = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(weights, lr=job["learningRate"])
    seconds, losses = [], []
    for batch in job["batches"]:
        ids = torch.tensor(batch)
        begun = time.perf_counter()
        loss = model(input_ids=ids, labels=ids).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(weights, 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        seconds.append(time.perf_counter() - begun)
        losses.append(loss.item())
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return {"seconds": seconds, "losses": losses, "peak": peak}


if __name__ == "__main__":
    verb, *given = sys.argv[1:]
    if verb == "convert":
        load_gguf(given[0]).save_pretrained(given[1])
    else:
        print(json.dumps(measure(json.load(open(given[0])))))
