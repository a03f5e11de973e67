#!/usr/bin/env python3
"""PyTorch's side of torch-agreement.md: the same vectors from the same weights, dequantised to float32, and how well
ours agree.

    python agreement.py MODEL.gguf ROLLOUTS.jsonl RUN [RUN ...]

RUN is a run folder of `persona extract --rollouts ROLLOUTS.jsonl`. Row b is the residual stream after block b, counted
from 0, before the model's final norm. A rollout's tokens are those of its prompt and those of its answer, tokenised
apart. Means run in float64 over float32 activations. Needs: pip install torch transformers gguf
"""
import argparse, json, os
import gguf
import numpy as np
import torch
import transformers
from transformers import AutoModelForCausalLM, AutoTokenizer

# where a run folder keeps them
FILES = {"response_avg": "vector.gguf", "prompt_avg": "vector.prompt_avg.gguf", "prompt_last": "vector.prompt_last.gguf"}


def load(path):
    folder, file = os.path.split(os.path.abspath(path))
    tokenizer = AutoTokenizer.from_pretrained(folder, gguf_file=file)
    model = AutoModelForCausalLM.from_pretrained(folder, gguf_file=file, dtype=torch.float32, attn_implementation="eager")
    return model.eval(), tokenizer


@torch.no_grad()
def read(model, tokenizer, rollouts):
    """Per kind the difference pos - neg, (blocks, d); the same for the last block behind the final norm."""
    rows = []  # of the running text: one (tokens, d) per block
    hooks = [block.register_forward_hook(lambda _m, _i, out: rows.append((out[0] if isinstance(out, tuple) else out)[0]))
             for block in model.model.layers]
    means, normed = {}, {}
    for rollout in rollouts:
        prompt = tokenizer(rollout["prompt"], add_special_tokens=False).input_ids
        answer = tokenizer(rollout["answer"], add_special_tokens=False).input_ids
        if not answer:
            continue
        rows.clear()
        out = model.model(input_ids=torch.tensor([prompt + answer]), use_cache=False)
        n = len(prompt)
        for store, hidden in ((means, torch.stack(rows)), (normed, out.last_hidden_state)):
            hidden = hidden.double()
            store.setdefault(("response_avg", rollout["side"]), []).append(hidden[:, n:].mean(1))
            store.setdefault(("prompt_avg", rollout["side"]), []).append(hidden[:, :n].mean(1))
            store.setdefault(("prompt_last", rollout["side"]), []).append(hidden[:, n - 1])
    for hook in hooks:
        hook.remove()

    def difference(store, kind):
        side = {s: torch.stack(store[kind, s]).mean(0) for s in ("pos", "neg")}
        return (side["pos"] - side["neg"]).numpy()

    return {k: difference(means, k) for k in FILES}, {k: difference(normed, k)[0] for k in FILES}


def read_vector(path):
    """(blocks, d)"""
    reader = gguf.GGUFReader(path)
    rows = {0: reader.fields["persona.direction_0"].contents()}
    for tensor in reader.tensors:
        rows[int(tensor.name.removeprefix("direction."))] = tensor.data
    return np.array([rows[b] for b in range(len(rows))], dtype=np.float64)


def cosines(a, b):
    return (a * b).sum(-1) / (np.linalg.norm(a, axis=-1) * np.linalg.norm(b, axis=-1))


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("model"); ap.add_argument("rollouts"); ap.add_argument("runs", nargs="+")
    ap.add_argument("--threads", type=int, default=2)
    a = ap.parse_args()
    transformers.logging.set_verbosity_error()
    torch.set_num_threads(a.threads)
    with open(a.rollouts) as f:
        rollouts = [json.loads(line) for line in f if line.strip()]
    model, tokenizer = load(a.model)
    reference, normed = read(model, tokenizer, rollouts)
    print(f"PyTorch {torch.__version__}, transformers {transformers.__version__}, {len(rollouts)} rollouts, "
          f"{os.path.basename(a.model)} dequantised")
    print("| ours | kind | lowest cosine (block) | norm ratio | last block: cosine, norm ratio | last block against the normed row |")
    print("|---|---|---|---|---|---|")
    for run in a.runs:
        for kind, file in FILES.items():
            ours = read_vector(os.path.join(run, file))
            cos = cosines(ours, reference[kind])
            ratio = np.linalg.norm(ours, axis=1) / np.linalg.norm(reference[kind], axis=1)
            low = int(cos[:-1].argmin())
            print(f"| {os.path.basename(os.path.normpath(run))} | {kind} | {cos[low]:.6f} ({low}) "
                  f"| {ratio[:-1].min():.4f} to {ratio[:-1].max():.4f} | {cos[-1]:.6f}, {ratio[-1]:.4f} "
                  f"| {cosines(ours[-1], normed[kind]):.3f} |")


main()
