package show_test

import (
	"math/rand/v2"

	"hhrlhf/rlhf"
	"hhrlhf/rlhf/eval"
	"hhrlhf/rlhf/online"
)

// onlineReports are of two rounds, as the paper's section 4.5 has them.
func onlineReports() []online.Report {
	r := rand.New(rand.NewPCG(11, 12))
	normal := func(name string, mean, sd float64) online.Scores {
		s := online.Scores{Name: name}
		for range 300 {
			s.X = append(s.X, mean+sd*r.NormFloat64())
		}
		return s
	}
	rate := func(name string, elo, se float64) eval.Rating {
		return eval.Rating{Name: name, Elo: elo, SE: se, Low: elo - 1.96*se, High: elo + 1.96*se, Games: 400}
	}
	elo := []eval.Rating{rate("base", 0, 0), rate("rs-1", 96, 26), rate("ppo-1@20", 63, 24), rate("ppo-1@40", 121, 25), rate("ppo-1@60", 148, 25)}
	first := online.Report{Round: 1, Elo: elo,
		Scores:   []online.Scores{normal("base", -0.4, 1.1), normal("rs-1", 0.5, 0.8), normal("ppo-1@60", 0.9, 0.7)},
		Accuracy: []rlhf.Accuracy{accuracyOf("base", 1100, 0.74), accuracyOf("rs", 380, 0.69), accuracyOf("online-1", 300, 0.61)}}
	second := online.Report{Round: 2, Elo: append(elo, rate("rs-2", 118, 27), rate("ppo-2@20", 92, 27), rate("ppo-2@40", 187, 28), rate("ppo-2@60", 224, 28)),
		Scores:   []online.Scores{normal("base", -0.5, 1.1), normal("rs-2", 0.6, 0.7), normal("ppo-2@60", 1.2, 0.6)},
		Accuracy: []rlhf.Accuracy{accuracyOf("base", 1100, 0.75), accuracyOf("rs", 380, 0.70), accuracyOf("online-1", 300, 0.67), accuracyOf("online-2", 280, 0.62)}}
	return []online.Report{first, second}
}

func onlineControl() online.Control {
	return online.Control{Rounds: 2, Rows: 5400, Won: rlhf.Accuracy{Name: "even-mix", N: 520, Value: 0.56, Low: 0.517, High: 0.602},
		Elo:    eval.Rating{Name: "even-mix", Elo: 42, Low: 12, High: 72},
		Base:   online.Arm{Accuracy: []rlhf.Accuracy{accuracyOf("base", 1100, 0.74), accuracyOf("rs", 900, 0.66), accuracyOf("online-1", 800, 0.58)}},
		Mix:    online.Arm{Accuracy: []rlhf.Accuracy{accuracyOf("base", 1900, 0.71), accuracyOf("rs", 500, 0.68), accuracyOf("online-1", 420, 0.66)}},
		Better: 0.11, SE: 0.03}
}
