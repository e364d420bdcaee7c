package run_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"os"

	"hhrlhf/rlhf/run"
)

// A run is made, dies after step 3, and is continued from its checkpoint of
// step 2 as if nothing had happened.
func Example() {
	dir, err := os.MkdirTemp("", "")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	store, err := run.OpenStore(dir)
	if err != nil {
		log.Fatal(err)
	}
	r, err := store.Create(run.Manifest{Name: "ppo-1", Kind: "ppo", Seed: 7, Config: json.RawMessage(`{"kl_coef":0.001}`)})
	if err != nil {
		log.Fatal(err)
	}
	train := func(step int) {
		x := r.Manifest().Seed.Stream("ppo/rollout", step).IntN(100)
		if err := r.AppendMetrics(step, map[string]float64{"x": float64(x)}); err != nil {
			log.Fatal(err)
		}
	}
	train(1)
	train(2)
	if err := r.SaveCheckpoint(run.Checkpoint{Step: 2, State: json.RawMessage(`{"rows":64}`)}); err != nil {
		log.Fatal(err)
	}
	train(3)
	r.Close() // or kill -9

	r, err = store.Open("ppo-1")
	if err != nil {
		log.Fatal(err)
	}
	defer r.Close()
	ck, err := r.LoadCheckpoint()
	if err != nil {
		log.Fatal(err)
	}
	if err := r.TruncateAfter(ck.Step); err != nil {
		log.Fatal(err)
	}
	train(ck.Step + 1)
	points, err := r.Metrics()
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("continued after step", ck.Step, "with state", string(ck.State))
	for _, p := range points {
		fmt.Println(p.Step, p.Values["x"])
	}
	// Output:
	// continued after step 2 with state {"rows":64}
	// 1 29
	// 2 30
	// 3 62
}

func ExampleStore_Open() {
	dir, err := os.MkdirTemp("", "")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	store, err := run.OpenStore(dir)
	if err != nil {
		log.Fatal(err)
	}
	for _, name := range []string{"lm-synth", "ppo-1"} {
		r, err := store.Create(run.Manifest{Name: name})
		if err != nil {
			log.Fatal(err)
		}
		r.Close()
	}
	_, err = store.Open("ppo-2")
	fmt.Println(errors.Is(err, run.ErrNotFound))
	fmt.Println(err)
	// Output:
	// true
	// run: no such run: "ppo-2"; known: ppo-1, lm-synth
}

func ExampleDecodeConfig() {
	cfg := struct {
		KLCoef    float64 `json:"kl_coef"`
		ClipRange float64 `json:"clip_range"`
	}{KLCoef: 0.001, ClipRange: 0.2}
	fmt.Println(run.DecodeConfig(json.RawMessage(`{"clip_range":0.1}`), &cfg), cfg)
	fmt.Println(run.DecodeConfig(json.RawMessage(`{"kl_coeff":0.01}`), &cfg))
	// Output:
	// <nil> {0.001 0.1}
	// run: config: unknown field "kl_coeff"; the nearest known: kl_coef, clip_range
}

func ExampleSeed_Stream() {
	seed := run.Seed(1)
	fmt.Println(seed.Stream("ppo/rollout", 5).IntN(1000), seed.Stream("ppo/rollout", 5).IntN(1000))
	fmt.Println(seed.Stream("ppo/rollout", 6).IntN(1000), seed.Stream("data", 5).IntN(1000))
	// Output:
	// 238 238
	// 227 140
}
