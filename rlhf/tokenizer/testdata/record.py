"""Records what the Hugging Face tokenizers library, sentencepiece and jinja2 give.

    pip install tokenizers==0.23.3 sentencepiece==0.2.3 jinja2
    python record.py

Training breaks ties at random there, so the folders change each time, and the
ids with them. It trains a small tokenizer.json of each family's structure on the text below,
so that no published vocabulary is needed, and writes the ids of many texts
beside it; two SentencePiece models likewise; and renders the published chat
templates. The Go tests read the results and need none of these libraries.
"""

import json, os, random
import jinja2, sentencepiece
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

here = os.path.dirname(os.path.abspath(__file__))
rng = random.Random(1)

WORDS = """the a of and to in is was he for it with as his on be at by had not are but from or have an they which one you were
her all she there would their we him been has when who will more no if out so said what up its about into than them can only
other new some could time these two may then do first any my now such like our over man me even most made after also did many
before must through back years where much your way well down should because each just those people Mr. how too little state
good very make world still own see men work long get here between both life being under never day same another know while last
might us great old year off come since against go came right used take three Human Assistant capital France Paris question
answer don't I'll we're they've can't it's he'd I'm 12 345 2024 3.14 100% don’t naïve café Straße Привет мир 日本語 中文 emoji 🙂 👍🏽
print(x) def f(a, b): return a+b; if x == 1: {} [] <b> http://example.com/a?b=c""".split()


def line():
    sep = lambda: rng.choice([" "] * 12 + ["  ", "\n", "\n\n", "    ", "\t", ", ", ". ", "! ", "? "])
    return "".join(rng.choice(WORDS) + sep() for _ in range(rng.randint(3, 25)))


LINES = [line() for _ in range(400)]

TEXTS = [
    "", " ", "  ", "   ", "\n", "\n\n", " \n", "\n ", " \n \n", "\t", "\r\n", "a\r\n\r\nb", "\n\n\n\na", "a   ", "a  \n", "a \n  b", "  a  b  ",
    "Hello world", " Hello  world   again ", "the capital of France is Paris.", "\n\nHuman: What's 17 + 25?\n\nAssistant: 17 + 25 = 42.",
    "don't I'll WE'RE they'Ve 'S 'ſ 'LL'll 's's ''s 'sand 'tis 'rex", "1", "12", "123", "1234", "12345678", "3.14 1,000 ½ ٣٤٥ Ⅳ x²", "a1b22c333d4444",
    " 1 22  333   4444", "if (x == 1) {\n\treturn x;\n    }\n\n", "...!!!???\n\n...", "!\n\nx", " !\n", "a!b ,c ;\r\nd", "_a __b a_b -c --d @e #f",
    "naïve café", "cafe\u0301 e\u0301\u0301 \u0301x a\u0308\u0301", "Straße ẞ ﬁ Å \u212b", "日本語のテキスト、中文。 한국어 \u1112\u1161\u11ab", "Привет, мир! שלום مرحبا हिन्दी ไทย",
    "👍🏽 👩‍👩‍👧 🙂🙂 🇫🇷", "\x00 a\x00b \x01\x02\x7f", "\u00a0\u00a0x \u2003y\u2028z\u3000\u0085w", "\ufeffa\u200bb\u200d", "\ufffd", "\u2581 a\u2581b \u2581\u2581c",
    "a" * 100, " " * 40 + "x" + " " * 17, "\n" * 9 + "x", "-" * 70, "<b>x</b> <|x|> <s", "http://example.com/a?b=c&d=%20", "aB cD EF ghI",
    "<s>", "</s>", "a<s>b", "<s> a </s> b", "a </s>\nb", "<|im_start|>user\nHi<|im_end|>\n", " <|endoftext|> ", "<unk>", "x<|endoftext|><|endoftext|>y",
]
ALPHABET = list(" \n\t\r'abstlmdrevABS019.,!-_é\u0301日🙂\u00a0½<>|") + ["  ", "'s", "'LL", " the", "\r\n", "<s>", "</s>", "<|im_end|>"]
TEXTS += ["".join(rng.choice(ALPHABET) for _ in range(rng.randint(1, 24))) for _ in range(80)]

GPT2 = r"""'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"""
LLAMA3 = r"""(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"""
QWEN2 = LLAMA3.replace("{1,3}", "")


def split(regex):
    return pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(regex), "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])


def start(name, i):
    return processors.TemplateProcessing(single=f"{name} $A", pair=f"{name} $A {name} $B", special_tokens=[(name, i)])


def byte_level(pre, special, vocab=420, normalizer=None, extra=(), first=True):
    t = Tokenizer(models.BPE())
    t.pre_tokenizer, t.decoder = pre, decoders.ByteLevel()
    if normalizer:
        t.normalizer = normalizer
    t.train_from_iterator(LINES, trainers.BpeTrainer(vocab_size=vocab, show_progress=False, special_tokens=special if first else [],
                                                     initial_alphabet=pre_tokenizers.ByteLevel.alphabet()))
    if not first:
        t.add_special_tokens(special)
    t.add_tokens(list(extra))
    return t


def spaced(t):
    """What the Llama 2 conversion puts around a model."""
    t.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    t.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)])
    t.post_processor = start("<s>", 1)
    return t


BYTES = [f"<0x{i:02X}>" for i in range(256)]


def llama2(pre=None):
    base = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True))
    base.pre_tokenizer = pre_tokenizers.Metaspace()
    base.train_from_iterator(LINES, trainers.BpeTrainer(vocab_size=330, show_progress=False, special_tokens=["<unk>", "<s>", "</s>"], limit_alphabet=75))
    model = json.loads(base.to_str())["model"]
    vocab = {"<unk>": 0, "<s>": 1, "</s>": 2}
    for b in BYTES:
        vocab[b] = len(vocab)
    for s in sorted(model["vocab"], key=model["vocab"].get):
        vocab.setdefault(s, len(vocab))
    t = Tokenizer(models.BPE(vocab, [tuple(m) for m in model["merges"]], unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    t.add_special_tokens(["<unk>", "<s>", "</s>"])
    spaced(t)
    if pre:
        t.normalizer, t.pre_tokenizer = normalizers.Sequence([]), pre
        data = json.loads(t.to_str())
        data["normalizer"] = None
        t = Tokenizer.from_str(json.dumps(data))
    return t


def unigram(byte_fallback):
    base = Tokenizer(models.Unigram())
    base.pre_tokenizer = pre_tokenizers.Metaspace()
    base.train_from_iterator(LINES, trainers.UnigramTrainer(vocab_size=300, show_progress=False, special_tokens=["<unk>", "<s>", "</s>"], unk_token="<unk>"))
    pieces = [tuple(p) for p in json.loads(base.to_str())["model"]["vocab"]]
    if byte_fallback:
        pieces = pieces[:3] + [(b, 0.0) for b in BYTES] + pieces[3:]
    t = Tokenizer(models.Unigram(pieces, 0, byte_fallback))
    t.add_special_tokens(["<unk>", "<s>", "</s>"])
    return spaced(t)


def families():
    end = ["<|endoftext|>"]
    chat = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    yield "gpt2", byte_level(pre_tokenizers.ByteLevel(add_prefix_space=False), end)
    yield "pythia", byte_level(pre_tokenizers.ByteLevel(add_prefix_space=False), end + ["<|padding|>"], normalizer=normalizers.NFC(),
                               extra=[AddedToken(" " * n, normalized=True) for n in range(24, 1, -1)])
    yield "smollm2", byte_level(pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True),
                                                         pre_tokenizers.ByteLevel(add_prefix_space=False)]), chat)
    yield "qwen2", byte_level(split(QWEN2), chat, normalizer=normalizers.NFC(), extra=["<s>"], first=False)
    t = byte_level(split(LLAMA3), ["<|begin_of_text|>", "<|end_of_text|>", "<|eot_id|>"], first=False)
    data = json.loads(t.to_str())
    data["model"]["ignore_merges"] = True
    data["model"]["merges"] = data["model"]["merges"][:-40]  # so that some tokens are reached whole only
    t = Tokenizer.from_str(json.dumps(data))
    begin = t.token_to_id("<|begin_of_text|>")
    t.post_processor = processors.Sequence([processors.ByteLevel(trim_offsets=False), start("<|begin_of_text|>", begin)])
    yield "llama3", t
    t = byte_level(pre_tokenizers.ByteLevel(add_prefix_space=False), end)
    t.add_special_tokens([AddedToken("<s>", lstrip=True), AddedToken("</s>", rstrip=True), AddedToken("<|im_end|>", lstrip=True, rstrip=True)])
    yield "strip", t
    yield "llama2", llama2()
    yield "metaspace", llama2(pre_tokenizers.Metaspace(prepend_scheme="first", split=False))
    yield "metaspace_split", llama2(pre_tokenizers.Metaspace(prepend_scheme="always", split=True))
    yield "unigram", unigram(False)
    yield "unigram_bytes", unigram(True)


def write(path, data, indent=None):
    path = os.path.join(here, path)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w") as f:
        json.dump(data, f, ensure_ascii=False, indent=indent, separators=None if indent else (",", ":"))
        f.write("\n")


vectors = {"texts": TEXTS, "families": {}}
for name, t in families():
    write(f"{name}/tokenizer.json", json.loads(t.to_str()))
    vectors["families"][name] = {"special": [t.encode(s, add_special_tokens=False).ids for s in TEXTS],
                                 "text": [t.encode(s).ids for s in TEXTS]}

for kind in ["bpe", "unigram"]:
    model = os.path.join(here, f"sentencepiece_{kind}", "tokenizer")
    os.makedirs(os.path.dirname(model), exist_ok=True)
    sentencepiece.SentencePieceTrainer.train(sentence_iterator=iter(LINES), model_prefix=model, model_type=kind, vocab_size=450, byte_fallback=True,
                                             normalization_rule_name="identity", remove_extra_whitespaces=False, character_coverage=0.98,
                                             split_digits=True, minloglevel=2, num_threads=1, allow_whitespace_only_pieces=True)
    os.remove(model + ".vocab")
    sp = sentencepiece.SentencePieceProcessor(model_file=model + ".model")
    vectors["families"][f"sentencepiece_{kind}"] = {"plain": [sp.encode(s) for s in TEXTS]}
write("vectors.json", vectors)

# The chat templates as published with these models.
CHATML = "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
FIRST = "{% if loop.first and messages[0]['role'] != 'system' %}{{ '<|im_start|>system\nSYSTEM<|im_end|>\n' }}{% endif %}"
TEMPLATES = {
    "chatml": CHATML,
    "smollm2": CHATML.replace("%}{{'", "%}" + FIRST.replace("SYSTEM", "You are a helpful AI assistant named SmolLM, trained by Hugging Face") + "{{'", 1),
    "qwen2": CHATML.replace("%}{{'", "%}" + FIRST.replace("SYSTEM", "You are a helpful assistant.") + "{{'", 1),
    "qwen2.5": """{%- if tools %}
    {{- '<|im_start|>system\\n' }}
    {%- for tool in tools %}
        {{- "\\n" }}
        {{- tool | tojson }}
    {%- endfor %}
    {{- "\\n</tools><|im_end|>\\n" }}
{%- else %}
    {%- if messages[0]['role'] == 'system' %}
        {{- '<|im_start|>system\\n' + messages[0]['content'] + '<|im_end|>\\n' }}
    {%- else %}
        {{- '<|im_start|>system\\nYou are Qwen, created by Alibaba Cloud. You are a helpful assistant.<|im_end|>\\n' }}
    {%- endif %}
{%- endif %}
{%- for message in messages %}
    {%- if (message.role == "user") or (message.role == "system" and not loop.first) or (message.role == "assistant" and not message.tool_calls) %}
        {{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>' + '\\n' }}
    {%- elif message.role == "tool" %}
        {%- if (loop.index0 == 0) or (messages[loop.index0 - 1].role != "tool") %}
            {{- '<|im_start|>user' }}
        {%- endif %}
        {{- message.content }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\\n' }}
{%- endif %}
""",
    "zephyr": "{% for message in messages %}\n{% if message['role'] == 'user' %}\n{{ '<|user|>\n' + message['content'] + eos_token }}\n{% elif message['role'] == 'system' %}\n{{ '<|system|>\n' + message['content'] + eos_token }}\n{% elif message['role'] == 'assistant' %}\n{{ '<|assistant|>\n'  + message['content'] + eos_token }}\n{% endif %}\n{% if loop.last and add_generation_prompt %}\n{{ '<|assistant|>' }}\n{% endif %}\n{% endfor %}",
    "llama2": "{% if messages[0]['role'] == 'system' %}{% set loop_messages = messages[1:] %}{% set system_message = messages[0]['content'] %}{% else %}{% set loop_messages = messages %}{% set system_message = false %}{% endif %}{% for message in loop_messages %}{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('Conversation roles must alternate user/assistant/user/assistant/...') }}{% endif %}{% if loop.index0 == 0 and system_message != false %}{% set content = '<<SYS>>\\n' + system_message + '\\n<</SYS>>\\n\\n' + message['content'] %}{% else %}{% set content = message['content'] %}{% endif %}{% if message['role'] == 'user' %}{{ bos_token + '[INST] ' + content.strip() + ' [/INST]' }}{% elif message['role'] == 'assistant' %}{{ ' '  + content.strip() + ' ' + eos_token }}{% endif %}{% endfor %}",
    "llama3": "{% set loop_messages = messages %}{% for message in loop_messages %}{% set content = '<|start_header_id|>' + message['role'] + '<|end_header_id|>\n\n'+ message['content'] | trim + '<|eot_id|>' %}{% if loop.index0 == 0 %}{% set content = bos_token + content %}{% endif %}{{ content }}{% endfor %}{% if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif %}",
}
# Parts of other published templates, for what they ask of the interpreter.
CUSTOM = [
    """{{- bos_token }}
{%- if custom_tools is defined %}
    {%- set tools = custom_tools %}
{%- endif %}
{%- if not date_string is defined %}
    {%- if strftime_now is defined %}
        {%- set date_string = strftime_now("%d %b %Y") %}
    {%- else %}
        {%- set date_string = "26 Jul 2024" %}
    {%- endif %}
{%- endif %}
{%- if not tools is defined %}
    {%- set tools = none %}
{%- endif %}
{%- if messages[0]['role'] == 'system' %}
    {%- set system_message = messages[0]['content']|trim %}
    {%- set messages = messages[1:] %}
{%- else %}
    {%- set system_message = "" %}
{%- endif %}
{{- "<|start_header_id|>system<|end_header_id|>\\n\\n" }}
{%- if tools is not none %}
    {{- "Environment: ipython\\n" }}
{%- endif %}
{{- "Today Date: " + date_string + "\\n\\n" }}
{{- system_message }}
{{- "<|eot_id|>" }}
{%- for message in messages %}
    {%- if not (message.role == 'ipython' or message.role == 'tool' or 'tool_calls' in message) %}
        {{- '<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n'+ message['content'] | trim + '<|eot_id|>' }}
    {%- elif 'tool_calls' in message %}
        {%- if not message.tool_calls|length == 1 %}
            {{- raise_exception("one call at a time") }}
        {%- endif %}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}
{%- endif %}
""",
    "{{ bos_token }}{% for message in messages %}{% if (message['role'] == 'assistant') %}{% set role = 'model' %}{% else %}{% set role = message['role'] %}{% endif %}{{ '<start_of_turn>' + role + '\n' + message['content'] | trim + '<end_of_turn>\n' }}{% endfor %}{% if add_generation_prompt %}{{'<start_of_turn>model\n'}}{% endif %}",
    "{%- set ns = namespace(last=-1) %}{%- for message in messages[::-1] %}{%- if ns.last < 0 and message.role == 'user' %}{%- set ns.last = (messages|length - 1) - loop.index0 %}{%- endif %}{%- endfor %}{%- for message in messages %}{%- set content = message.content if message.content is string else '' %}{{- loop.index ~ '/' ~ messages|length }}{%- if loop.index0 == ns.last %}{{- '*' }}{%- endif %}{{- message.role.upper() ~ ': ' ~ content.split('Z')[0].rstrip() }}{%- if not loop.last %} | {% endif %}{%- endfor %}",
]
env = jinja2.Environment(trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols"])
env.globals["raise_exception"] = lambda why: 1 / 0
U, A, S = [{"role": r} for r in ("user", "assistant", "system")]
DIALOGUES = [
    [U | {"content": "Hi"}],
    [S | {"content": "Be brief."}, U | {"content": " Hi <b>&'\"</b> \n"}],
    [U | {"content": "What's 2+2?"}, A | {"content": " 4\n"}, U | {"content": "Sure?\n\nReally {{ x }} {% if %}"}],
    [S | {"content": "É\n"}, U | {"content": "日本"}, A | {"content": "🙂"}, U | {"content": "a\\n"}, A | {"content": "b"}, U | {"content": "c"}],
]
write("templates.json", [
    {"name": name, "source": source,
     "dialogues": [{"messages": d, "text": env.from_string(source).render(messages=d, add_generation_prompt=True, bos_token="<s>", eos_token="</s>", tools=None)}
                   for d in DIALOGUES]} for name, source in [*TEMPLATES.items(), *(("custom", c) for c in CUSTOM)]], indent=1)
