package humaneval_test

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"hhrlhf/rlhf/humaneval"
	"hhrlhf/rlhf/sandbox"
)

func isolated(t *testing.T) {
	t.Helper()
	var missing *sandbox.Unavailable
	if err := sandbox.Check(t.Context()); errors.As(err, &missing) {
		t.Skip(err)
	} else if err != nil {
		t.Fatal(err)
	}
}

func problems(t *testing.T) []humaneval.Problem {
	t.Helper()
	data := os.Getenv("HHRLHF_DATA")
	if data == "" {
		t.Skip("HHRLHF_DATA is not set: no HumanEval")
	}
	ps, err := humaneval.Read(filepath.Join(data, "eval", "HumanEval.jsonl.gz"))
	if err != nil {
		t.Fatal(err)
	}
	return ps
}

// All reference solutions pass, and without a body none does.
func TestReferenceSolutions(t *testing.T) {
	isolated(t)
	ps := problems(t)
	if len(ps) != 164 {
		t.Fatalf("%d problems, want 164", len(ps))
	}
	if testing.Short() {
		ps = ps[:8]
	}
	next := make(chan humaneval.Problem)
	var wg sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for p := range next {
				for completion, want := range map[string]bool{p.Canonical: true, "    return None\n": false} {
					if v, err := p.Judge(t.Context(), completion, sandbox.Limits{}); err != nil || v.Passed != want {
						t.Errorf("%s with %.60q: %+v, %v; want passed %v", p.TaskID, completion, v, err, want)
					}
				}
			}
		})
	}
	for _, p := range ps {
		next <- p
	}
	close(next)
	wg.Wait()
}

var add = humaneval.Problem{TaskID: "add", Entry: "add", Prompt: "def twice(x):\n    return 2 * x\n\n\ndef add(x, y):\n    \"\"\"The sum.\"\"\"\n",
	Test: "def check(candidate):\n    assert candidate(1, 2) == 3\n    assert candidate(2, 2) == twice(2)\n    assert candidate([1], [2]) == [1, 2]\n"}

func judge(t *testing.T, p humaneval.Problem, completion string) humaneval.Verdict {
	t.Helper()
	v, err := p.Judge(t.Context(), completion, sandbox.Limits{CPU: 2e9})
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// No trick passes that does not answer.
func TestNoTrickPasses(t *testing.T) {
	isolated(t)
	if v := judge(t, add, "    return x + y\n"); !v.Passed || v.Why != "passed" {
		t.Fatalf("the right answer: %+v", v)
	}
	if v := judge(t, add, "    print('working ' * 20)\n    return x + y\n"); !v.Passed {
		t.Errorf("the right answer, with words: %+v", v)
	}
	for name, completion := range map[string]string{
		"wrong":                  "    return x - y\n",
		"exits":                  "    import sys\n    sys.exit(0)\n",
		"exits at once":          "    import os\n    os._exit(0)\n",
		"exits while defined":    "    pass\nimport os\nos._exit(0)\n",
		"exits at its end":       "    pass\nimport atexit, os\natexit.register(os._exit, 0)\nraise SystemExit(0)\n",
		"says passed":            "    pass\nimport os\nfor fd in range(64):\n    try: os.write(fd, b'passed\\n')\n    except OSError: pass\nos._exit(0)\n",
		"equals everything":      "    class A(int):\n        def __eq__(self, other): return True\n    return A(7)\n",
		"patches builtins":       "    return 0\nimport builtins\nbuiltins.AssertionError = ValueError\nbuiltins.exec = lambda *a: None\nbuiltins.compile = lambda *a: None\n",
		"patches the driver":     "    return 0\nimport sys\nm = sys.modules['__main__']\nfor n in list(vars(m)):\n    if not n.startswith('_') and n not in ('send', 'receive', 'plain', 'pickle', 'os', 'struct'): setattr(m, n, lambda *a: None)\n",
		"looks for the token":    "    pass\nimport sys, os, gc\nf = sys._getframe()\nseen = ''\nwhile f:\n    seen += repr(f.f_locals)\n    f = f.f_back\nseen += repr([o for o in gc.get_objects() if isinstance(o, dict) and 'token' in o])\nassert 'token' in seen and 'assert candidate' in seen\nos.write(1, b'passed')\nos._exit(0)\n",
		"reads the input":        "    pass\nimport sys, os\nfor fd in (0, 3, 4, 5, 6):\n    try:\n        text = os.read(fd, 1 << 16)\n        if b'token' in text: os.write(1, text)\n    except OSError: pass\nos._exit(0)\n",
		"answers with a class":   "    class Sum(list): pass\n    return lambda *a: 3\n",
		"answers with a call":    "    class E:\n        def __reduce__(self): return (print, ('passed',))\n    return E()\n",
		"catches everything":     "    try:\n        raise AssertionError\n    except BaseException:\n        return None\n",
		"kills the tests":        "    import os, signal\n    for s in range(1, 32):\n        try: os.kill(1, s)\n        except OSError: pass\n    return 3\n",
		"kills its group":        "    import os\n    os.kill(0, 9)\n",
		"a gigabyte for answer":  "    return 'x' * (1 << 28)\n",
		"never answers":          "    while True: pass\n",
		"is no Python":           "    return (\n",
		"has another name":       "    pass\ndel add\n",
		"forks and answers both": "    import os\n    os.fork()\n    return 3\n",
	} {
		t.Run(name, func(t *testing.T) {
			if v := judge(t, add, completion); v.Passed || v.Why == "" {
				t.Errorf("%+v", v)
			} else {
				t.Log(v.Why)
			}
		})
	}
}

// Values arrive as they were, and what extends a plain type as that.
func TestAnswers(t *testing.T) {
	isolated(t)
	p := humaneval.Problem{TaskID: "same", Entry: "same", Prompt: "def same(x):\n    \"\"\"x\"\"\"\n",
		Test: "def check(f):\n    for x in (None, True, -3, 1 << 200, 0.1, float('inf'), 'é\\n', b'\\0', [1, (2, {3}), {4: frozenset([5])}], {}, ()):\n        y = f(x)\n        assert y == x and type(y) is type(x), (x, y)\n"}
	for _, completion := range []string{"    return x\n", "    from collections import OrderedDict, Counter\n    return OrderedDict(x) if isinstance(x, dict) else x\n"} {
		if v := judge(t, p, completion); !v.Passed {
			t.Errorf("%q: %+v", completion, v)
		}
	}
	// As HumanEval/33 does, tests may call the function by its name.
	byName := add
	byName.Test = "def check(candidate):\n    assert candidate(1, 2) == add(1, 2) == 3\n"
	if v := judge(t, byName, "    return x + y\n"); !v.Passed {
		t.Errorf("called by its name: %+v", v)
	}
	if v := judge(t, p, "    return str(x)\n"); v.Passed {
		t.Error("its text for the value passes")
	}
}

func TestTruncate(t *testing.T) {
	const body = "    if x:\n        return 1\n    # so\n    return 2\n"
	for _, stop := range []string{"", "\ndef f():", "\nclass A:", "\n# next", "\nif __name__", "\nprint(1)"} {
		if got := humaneval.Truncate(body + stop + " rest\ndef g(): pass"); stop != "" && got != body {
			t.Errorf("%q leaves %q", stop, got)
		}
	}
	if got := humaneval.Truncate(body); got != body {
		t.Errorf("without a stop: %q", got)
	}
}

func TestReadRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"":                       "holds no problem",
		"{\"task_id\": 3}\n":     "x.jsonl:1",
		"\n{\"task_id\": \"a\"}": "x.jsonl:2: prompt is empty or missing",
		"not json":               "x.jsonl:1",
	} {
		path := filepath.Join(t.TempDir(), "x.jsonl")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := humaneval.Read(path); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}

func TestShortest(t *testing.T) {
	ps := []humaneval.Problem{{TaskID: "a", Prompt: "xxx"}, {TaskID: "b", Prompt: "x"}, {TaskID: "c", Prompt: "xx"}}
	got := humaneval.Shortest(ps, 2)
	if len(got) != 2 || got[0].TaskID != "b" || got[1].TaskID != "c" || len(humaneval.Shortest(ps, 9)) != 3 {
		t.Errorf("%+v", got)
	}
	if ps[0].TaskID != "a" {
		t.Error("the list given was sorted")
	}
}
