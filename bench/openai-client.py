#!/usr/bin/env python3
"""Python's official client against `persona serve`, streaming and not. Needs: pip install openai

    python openai-client.py http://127.0.0.1:8080/v1 VECTOR
"""
import sys

from openai import BadRequestError, OpenAI

url, vector = sys.argv[1:]
client = OpenAI(base_url=url, api_key="none", max_retries=0)
ask = dict(
    model=client.models.list().data[0].id,
    messages=[{"role": "user", "content": "How will my week go?"}],
    temperature=0,
    max_tokens=24,
    extra_body={"steering": {"vector": vector, "coefficient": -1}, "monitor": [vector], "monitor_tokens": True},
)

answer = client.chat.completions.create(**ask)
choice = answer.choices[0]
read = choice.persona["traits"][vector]
print(f"whole: {choice.message.content!r}")
print(f"  steering {choice.persona['steering'][0]['coefficient']}, mean {read['mean']}, at the prompt {read['prompt']}")

text, tokens, last = "", [], None
for chunk in client.chat.completions.create(**ask, stream=True, stream_options={"include_usage": True}):
    for choice in chunk.choices:
        text += choice.delta.content or ""
        tokens += choice.persona.get("tokens", [])
        if choice.finish_reason:
            last = choice.persona["traits"][vector]
    usage = chunk.usage
print(f"streamed: {len(tokens)} tokens, usage {usage.completion_tokens}, mean {last['mean']}")
assert text == answer.choices[0].message.content
assert len(tokens) == usage.completion_tokens == answer.usage.completion_tokens
for ours, theirs in zip(tokens, read["tokens"], strict=True):
    assert ours["text"] == theirs["text"]
    assert abs(ours["readings"][vector]["raw"] - theirs["raw"]) < 1e-3 * max(1, abs(theirs["raw"]))

try:
    client.chat.completions.create(**{**ask, "extra_body": {"steering": "none-such=1"}})
    raise SystemExit("a steering that is not loaded was taken")
except BadRequestError as error:
    print(f"refused: {error.body['message']}")
