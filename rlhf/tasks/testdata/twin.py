"""Writes twin.json: what multiple choice and exact match come to by an independent calculation.

The measures are those of the public harness's multiple-choice task (argmax over sums; over
sums by characters, bytes; over sums less the unconditional sums) and of Brown et al. 2020
(by tokens); the normal form of answers is TriviaQA's, step by step as its script has them.
"""
import json
import random
import re
import string

rng = random.Random(8)
WORDS = ["a", "the", "an", "naïve", "Ångström", "cat", "of", "Straße", "東京", "dog's", "U.S.", "e-mail", "x_y", "‘quoted’", "“double”", "100%", "theatre", "an's", "`tick`", "AND", "A"]


def argmax(values):
    return max(range(len(values)), key=lambda i: (values[i], -i))


items = []
for _ in range(200):
    choices, logp, bare, tokens = [], [], [], []
    for _ in range(rng.randint(2, 5)):
        choice = " ".join(rng.choice(WORDS) for _ in range(rng.randint(1, 6)))
        choices.append(choice)
        tokens.append(len(choice.split()) + rng.randint(0, 3))
        logp.append(-rng.expovariate(1 / (3.0 * tokens[-1])))
        bare.append(-rng.expovariate(1 / (3.0 * tokens[-1])))
    items.append({
        "choices": choices, "logp": logp, "bare": bare, "tokens": tokens,
        "sum": argmax(logp),
        "char": argmax([l / float(len(c)) for l, c in zip(logp, choices)]),
        "byte": argmax([l / float(len(c.encode())) for l, c in zip(logp, choices)]),
        "token": argmax([l / n for l, n in zip(logp, tokens)]),
        "pmi": argmax([l - b for l, b in zip(logp, bare)]),
    })


def normal(s):
    s = s.replace("_", " ").lower()
    marks = set(string.punctuation + "‘’´`")
    s = "".join(ch if ch not in marks else " " for ch in s)
    s = re.sub(r"\b(a|an|the)\b", " ", s)
    return " ".join(s.split()).strip()


answers = []
for _ in range(200):
    s = rng.choice(["", " "]).join(rng.choice(WORDS) + rng.choice(["", " ", "-", ", "]) for _ in range(rng.randint(1, 5)))
    answers.append({"text": s, "normal": normal(s)})

json.dump({"items": items, "answers": answers}, open("twin.json", "w"), ensure_ascii=False, indent=0)
