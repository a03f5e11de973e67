"""Proof against PyTorch itself that `.pt` files pass both ways.

    python bench/torch-files.py make test/vector/fixtures    writes the fixtures that the unit tests read
    python bench/torch-files.py check ours.pt [layers width] reads a file of ours with weights_only=True

Needs torch (any version from 2.0); the product itself does not. The numbers are multiples of 1/16 with at most eight
significant bits, so that every format holds them exactly: value (i, j) = ((i * width + j) * 37 % 251 - 125) / 16.
"""

import sys
from collections import OrderedDict
from pathlib import Path

import torch

ROWS, WIDTH = 5, 8


def planted(rows, width, dtype=torch.float32):
    count = torch.arange(rows * width)
    return ((count * 37 % 251 - 125) / 16).to(dtype).reshape(rows, width)


def make(folder):
    folder.mkdir(parents=True, exist_ok=True)
    for dtype in (torch.float32, torch.float16, torch.bfloat16, torch.float64):
        torch.save(planted(ROWS, WIDTH, dtype), folder / f"{str(dtype).removeprefix('torch.')}.pt")
    # rows 1 to 5 and columns 2 to 9 of a transposed matrix: offset 7·…, strides (1, 7)
    torch.save(planted(12, 7).t()[1:6, 2:10], folder / "strided.pt")
    torch.save({"layers": {"a": planted(2, WIDTH), "b": planted(3, WIDTH)}, "names": ["x", "é"], "n": 2**40,
                "p": -0.5, "none": None, "yes": True, "t": (1, 2, 3, 4), "ordered": OrderedDict(k=300)},
               folder / "nested.pt")
    torch.save({"vector": planted(4, WIDTH), "type": "pos_3", "role": "pirate"}, folder / "role.pt")
    torch.save({
        "vectors": {f"layer_{b}/axis": {"layer": b, "vector": planted(3, WIDTH)[b]} for b in (1, 2)},
        "experiments": [
            {"id": "layers_1:3-p0.25", "interventions": [{"vector": f"layer_{b}/axis", "cap": -1.5 * b} for b in (1, 2)]},
            {"id": "layers_2:3-p0.5", "interventions": [{"vector": "layer_2/axis", "cap": 0.75}]},
        ],
    }, folder / "capping.pt")
    torch.save(planted(ROWS, WIDTH), folder / "legacy.pt", _use_new_zipfile_serialization=False)
    torch.save(torch.arange(6), folder / "integers.pt")


def check(path, rows=ROWS, width=WIDTH):
    found = torch.load(path, weights_only=True)
    if isinstance(found, dict):
        print({key: tuple(value.shape) if torch.is_tensor(value) else value for key, value in found.items()})
        found = found["vector"]
    print(path, tuple(found.shape), found.dtype, "contiguous" if found.is_contiguous() else "strided")
    assert torch.equal(found, planted(rows, width)), "the numbers differ"
    print("equal to the planted numbers")


if __name__ == "__main__":
    command, path, *sizes = sys.argv[1:]
    make(Path(path)) if command == "make" else check(path, *map(int, sizes))
