package show_test

import (
	"testing"
	"testing/synctest"
	"time"

	"hhrlhf/kernel/show"
	"hhrlhf/rlhf"
)

// All frames of a run have one size and the same number of panels, and axes only grow: the
// page under a figure does not jump, nor do the curves in it.
func TestFramesOfARun(t *testing.T) {
	train := func(r *run) func(time.Duration) {
		return func(every time.Duration) { r.every = every; show.Train(r) }
	}
	pm := newRun("pm", 0, 60, false)
	pm.points = pmHistory(60, true)
	for name, f := range map[string]func(every time.Duration){
		"lm":       train(newRun("lm", 0, 60, false)),
		"distill":  train(newRun("distill", 0, 60, false)),
		"pm":       train(pm),
		"pm, old":  train(newRun("pm", 0, 60, false)), // it recorded no scores
		"pm looks": func(every time.Duration) { j := newJudge(0, 60); j.every = every; show.TrainPM(j, 5) },
		"ppo":      train(newRun("ppo", 0, 60, false)),
		"ppo gold": train(newRun("ppo", 0, 60, true)),
		"adaptive": train(adaptive(0, 60)),
		"resumed":  train(newRun("ppo", 30, 60, true)),
		"followed": func(every time.Duration) {
			r := newRun("ppo", 20, 60, true)
			r.every = every
			lab := &fakeLab{run: r}
			go lab.train(40)
			time.Sleep(0) // until it has begun
			show.Run(lab, "tour-ppo")
		},
		"events only": func(every time.Duration) {
			r := newRun("ppo", 0, 60, true)
			r.every = every
			show.Live(r.Train())
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var frames []show.Frame
				show.Frames(t, func(f show.Frame) { frames = append(frames, f) })
				catch(t, func() { f(400 * time.Millisecond) })
				if len(frames) < 30 {
					t.Fatalf("%d frames of 60 steps", len(frames))
				}
				seen := map[string]show.PanelFrame{}
				for i, f := range frames {
					if f.Width != frames[0].Width || f.Height != frames[0].Height || len(f.Panels) != len(frames[0].Panels) {
						t.Fatalf("frame %d is %d × %d of %d panels, the first %d × %d of %d", i, f.Width, f.Height, len(f.Panels), frames[0].Width, frames[0].Height, len(frames[0].Panels))
					}
					for _, p := range f.Panels {
						if old, ok := seen[p.Title]; ok {
							shrinks(t, i, p.Title+", abscissa", old.X, p.X)
							shrinks(t, i, p.Title+", ordinate", old.Y, p.Y)
							shrinks(t, i, p.Title+", right ordinate", old.Right, p.Right)
						}
						if !p.Blank { // a blank panel shows no numbers
							seen[p.Title] = p
						}
					}
				}
				for _, p := range frames[len(frames)-1].Panels {
					if p.Blank && name != "pm, old" {
						t.Errorf("at the end %q is blank", p.Title)
					}
				}
			})
		})
	}
}

func shrinks(t *testing.T, frame int, what string, old, now [2]float64) {
	t.Helper()
	if now[0] > old[0] || now[1] < old[1] {
		t.Errorf("frame %d: %s goes from %v to %v", frame, what, old, now)
	}
}

// The band about the target comes from the run's configuration: it is there from the first
// frame on, and the axis holds all of it.
func TestTargetBand(t *testing.T) {
	for config, want := range map[string]bool{
		`{"kl_target":6}`: true, `{"kl_target":0}`: false, `{}`: false, ``: false, `{"kl_target":"six"}`: false, `{"kl_target":-6}`: false, `[]`: false,
	} {
		r := adaptive(1, 60)
		r.config = config
		var frames []show.Frame
		show.Frames(t, func(f show.Frame) { frames = append(frames, f) })
		catch(t, func() { show.History(r) })
		kl := frames[0].Panels[1]
		if got := kl.Right != [2]float64{}; got != want || want && kl.Y[1] < 7.2 {
			t.Errorf("%s: the coefficient's axis is there: %v, the KL's reaches %v; want %v and 7.2", config, got, kl.Y[1], want)
		}
	}
}

// Length and endings have a panel of their own with and without gold labels.
func TestLengthIsAlwaysThere(t *testing.T) {
	for _, gold := range []bool{false, true} {
		titles := map[string]bool{}
		show.Frames(t, func(f show.Frame) {
			for _, p := range f.Panels {
				titles[p.Title] = !p.Blank
			}
		})
		catch(t, func() { show.History(newRun("ppo", 40, 40, gold)) })
		for title, want := range map[string]bool{"Length and ending": true, "What the true labeller says": gold, "Entropy of the policy": !gold, "Scores of single responses, by steps": true} {
			if titles[title] != want {
				t.Errorf("gold %v: %q is drawn: %v, want %v", gold, title, titles[title], want)
			}
		}
	}
}

var _ rlhf.PMRun = (*judge)(nil)
