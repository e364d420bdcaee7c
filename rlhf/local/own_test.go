package local_test

import (
	"strings"
	"testing"

	g "github.com/gomlx/gomlx/core/graph"

	"hhrlhf/rlhf"
	"hhrlhf/rlhf/direct"
	"hhrlhf/rlhf/local"
	"hhrlhf/rlhf/ppo"
)

// mine is what an engine of one's own brings.
var mine = local.Own{
	Algorithms: map[string]ppo.Algorithm{
		"centred": {Advantages: func(b *rlhf.Batch) error {
			for i := range b.Advantage {
				other := i ^ 1 // two answers to a prompt
				for t := range b.Advantage[i] {
					b.Advantage[i][t] = b.Score[i] - b.Score[other]
				}
			}
			return nil
		}, Loss: func(t ppo.Tokens) *g.Node { return g.Neg(g.Mul(t.Advantage, t.LogP)) }},
		"other": {Advantages: func(*rlhf.Batch) error { return nil }},
	},
	Losses: map[string]direct.Loss{"dpo": func(chosen, rejected direct.Responses, beta float64) *g.Node {
		return g.Softplus(g.MulScalar(g.Sub(rejected.Ratio(), chosen.Ratio()), beta))
	}},
}

func ownPPO() rlhf.PPO {
	c := ppoConfig()
	c.Algorithm, c.PerPrompt, c.Value = "centred", 2, "none"
	return c
}

var directConfig = rlhf.Direct{LM: "lm", Loss: "dpo", Batch: 8, Rows: 200, Planned: 6, Warmup: 2}

// Runs of one's own algorithms stop and go on bit for bit, are language models and
// policies like any other, and say to who does not know them what it takes.
func TestOwn(t *testing.T) {
	dirs := []string{t.TempDir(), t.TempDir()}
	kinds := []func(l *local.Lab) (rlhf.Run, error){
		func(l *local.Lab) (rlhf.Run, error) { return l.LM("lm", lmConfig) },
		func(l *local.Lab) (rlhf.Run, error) { return l.PM("pm", pmConfig) },
		func(l *local.Lab) (rlhf.Run, error) { return l.PPO("ppo", ownPPO()) },
		func(l *local.Lab) (rlhf.Run, error) { return l.Direct("dpo", directConfig) },
	}
	var l *local.Lab
	for i, parts := range [][]int{{6}, {2, 4}} {
		l = openWith(t, local.Options{Dir: dirs[i], Own: mine})
		for _, make := range kinds {
			for k, n := range parts {
				if k > 0 { // another process, as far as the run can tell
					if err := l.Close(); err != nil {
						t.Fatal(err)
					}
					l = openWith(t, local.Options{Dir: dirs[i], Own: mine})
				}
				r, err := make(l)
				if err != nil {
					t.Fatal(err)
				}
				train(t, r, n)
			}
		}
	}
	for _, name := range []string{"ppo", "dpo"} {
		same(t, dirs[0], dirs[1], name)
	}
	m := lmOf(t)(l.OpenLM("dpo"))
	info, err := m.Info()
	if err != nil || info.Kind != "direct" || info.Step != 6 || info.Planned != 6 || !strings.Contains(string(info.Config), `"loss":"dpo"`) {
		t.Errorf("%+v, %v", info, err)
	}
	samples, err := m.Sample([]string{"\n\nHuman: Hi?\n\nAssistant:"}, rlhf.Sampling{MaxTokens: 4})
	if err != nil || len(samples) != 1 || samples[0].Gold == nil {
		t.Errorf("%+v, %v", samples, err)
	}
	if _, err := m.Evaluate(); err != nil {
		t.Error(err)
	}
	if _, err := l.Direct("dpo-2", rlhf.Direct{LM: "dpo", Loss: "dpo", Batch: 8, Rows: 200, Planned: 1}); err != nil {
		t.Errorf("a run on top of a run: %v", err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	ownErrors(t, dirs[1])
}

func ownErrors(t *testing.T, dir string) {
	knows := openWith(t, local.Options{Dir: dir, Own: mine})
	c := ownPPO()
	c.Algorithm = "centered"
	_, err := knows.PPO("new", c)
	says(t, "a wrong algorithm", err, `"centered"`, `"centred"`, `"other"`)
	d := directConfig
	d.Loss = "ipo"
	_, err = knows.Direct("new", d)
	says(t, "a wrong loss", err, `"ipo"`, `"dpo"`)
	d = directConfig
	d.LM = "nobody"
	_, err = knows.Direct("new", d)
	says(t, "no model", err, `LM = "nobody"`)
	d = directConfig
	d.Context = 5000
	_, err = knows.Direct("new", d)
	says(t, "a context", err, "Context = 5000")
	c = ownPPO()
	c.Algorithm = "other"
	_, err = knows.PPO("ppo", c)
	says(t, "another algorithm under the name", err, "algorithm", "centred", "other")

	stock := open(t, dir)
	_, err = stock.PPO("ppo", ownPPO())
	says(t, "making", err, `Algorithm = "centred"`, "own.Serve")
	p, err := stock.OpenPPO("ppo") // whose history can be read all the same
	if err != nil {
		t.Fatal(err)
	}
	if points, err := p.History(); err != nil || len(points) != 6 {
		t.Errorf("%d points, %v", len(points), err)
	}
	_, err = p.Rollout()
	says(t, "opening", err, `run "ppo"`, `Algorithm = "centred"`, "own.Serve")
	_, err = lmOf(t)(stock.OpenLM("dpo")).LogP([]rlhf.Transcript{{Prompt: rlhf.Assistant, Response: " a"}})
	says(t, "a loss", err, `run "dpo"`, `Loss = "dpo"`, "own.Serve")
}

func says(t *testing.T, what string, err error, words ...string) {
	t.Helper()
	for _, w := range words {
		if err == nil || !strings.Contains(err.Error(), w) {
			t.Errorf("%s: %v, want %s in it", what, err, w)
		}
	}
}
