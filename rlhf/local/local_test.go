package local_test

import (
	"fmt"
	"os"
	"testing"
	"time"

	"hhrlhf/rlhf"
	"hhrlhf/rlhf/local"
)

func TestLap(t *testing.T) {
	dir := t.TempDir()
	lab, err := local.Open(local.Options{Dir: dir, Backend: os.Getenv("GOMLX_BACKEND")})
	if err != nil {
		t.Fatal(err)
	}
	size := rlhf.Size(os.Getenv("SIZE"))
	start := time.Now()
	train := func(r rlhf.Run) {
		t.Helper()
		for e, err := range r.Train() {
			if err != nil {
				t.Fatal(err)
			}
			if e.Point != nil && (e.Step%20 == 1 || e.Step == e.Of) {
				fmt.Println(time.Since(start).Round(time.Millisecond), e.Kind, e.Step, e.Of, e.Left.Round(time.Second), e.Point.Values)
			}
		}
	}
	m, err := lab.LM("lm", rlhf.LM{Size: size, Data: "synth"})
	if err != nil {
		t.Fatal(err)
	}
	train(m)
	e, err := m.Evaluate()
	fmt.Printf("%+v %v\n", e, err)
	p, err := lab.PM("pm", rlhf.PM{Size: size, LM: "lm"})
	if err != nil {
		t.Fatal(err)
	}
	train(p)
	pe, err := p.Evaluate()
	fmt.Printf("%+v gold %+v %v\n", pe, pe.Gold, err)
	r, err := lab.PPO("ppo", rlhf.PPO{Size: size, Policy: "lm", PM: "pm", KLCoef: 0.02, MissingEOSPenalty: 1})
	if err != nil {
		t.Fatal(err)
	}
	ba, err := r.Compare(64)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Printf("%+v\n", ba.Rows)
	train(r)
	ba, err = r.Compare(160)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range ba.Rows {
		fmt.Printf("%+v\n", c)
	}
	for i := range 10 {
		fmt.Printf("%q\n   %q %.2f %+v\n   %q %.2f kl %.2f %+v\n", ba.Before[i].Prompt, ba.Before[i].Response, ba.Before[i].Score, *ba.Before[i].Gold, ba.After[i].Response, ba.After[i].Score, ba.After[i].KL, *ba.After[i].Gold)
	}
	st, _ := lab.Status()
	fmt.Printf("%+v\n", st)
}
