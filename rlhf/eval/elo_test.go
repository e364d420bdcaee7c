package eval_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"hhrlhf/rlhf/eval"
	"hhrlhf/rlhf/internal/rltest"
)

var letters = []string{"a", "b", "c", "d", "e", "f"}

func rate(t *testing.T, n eval.Tournament) (elo, se []float64) {
	t.Helper()
	rs, err := eval.Elo(n)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range rs {
		elo, se = append(elo, r.Elo), append(se, r.SE)
	}
	return elo, se
}

func scaled(x []float64, by, plus float64) []float64 {
	out := make([]float64, len(x))
	for i, v := range x {
		out[i] = v*by + plus
	}
	return out
}

func TestGoldenElo(t *testing.T) {
	golden(t, "bradley_terry_mle", "wins", 1, 3e4, func(in rltest.Values) map[string]any {
		w := rltest.Get[[][]float64](t, in, "wins")
		first, _ := rate(t, eval.Tournament{Players: letters[:4], Wins: w, Anchor: "a"})
		centred, se := rate(t, eval.Tournament{Players: letters[:4], Wins: w})
		nll, prob := 0.0, make([][]float64, 4)
		for i := range w {
			for j := range w {
				p := eval.WinRate(centred[i] - centred[j])
				prob[i] = append(prob[i], p)
				nll -= w[i][j] * math.Log(p)
			}
		}
		return map[string]any{"elo_first0": first, "theta_first0": scaled(first, 1/eval.EloPerNat, 0), "elo_centred_1000": scaled(centred, 1, 1000),
			"theta_centred": scaled(centred, 1/eval.EloPerNat, 0), "std_err_centred": scaled(se, 1/eval.EloPerNat, 0), "elo_std_err_centred": se, "nll": nll, "prob": prob}
	})
	golden(t, "bradley_terry_ties_as_half", "ties", 1, 3e4, func(in rltest.Values) map[string]any {
		w, ties := rltest.Get[[][]float64](t, in, "wins"), rltest.Get[[][]float64](t, in, "ties")
		for i := range w {
			for j := range w {
				w[i][j] += ties[i][j] / 2
			}
		}
		first, _ := rate(t, eval.Tournament{Players: letters[:4], Wins: w, Anchor: "a"})
		centred, _ := rate(t, eval.Tournament{Players: letters[:4], Wins: w})
		return map[string]any{"elo_first0": first, "theta_centred": scaled(centred, 1/eval.EloPerNat, 0)}
	})
	golden(t, "elo_win_rate", "win_rate", 1, 300, func(in rltest.Values) map[string]any {
		var gaps []float64
		for _, p := range numbers(t, in, "win_rate") {
			gaps = append(gaps, eval.EloGap(p))
			rltest.Close(t, "win rate of the gap", eval.WinRate(eval.EloGap(p)), p, 1e-12)
		}
		return map[string]any{"elo_gap": gaps}
	})
	golden(t, "elo_online", "start", 0, 3e4, func(in rltest.Values) map[string]any {
		k, start := rltest.Get[float64](t, in, "k"), rltest.Get[float64](t, in, "start")
		r, trace := scaled(make([]float64, 4), 0, start), [][]float64(nil)
		for _, g := range rltest.Get[[][]float64](t, in, "games") {
			a, b := int(g[0]), int(g[1])
			r[a], r[b] = eval.EloUpdate(r[a], r[b], g[2], k)
			trace = append(trace, scaled(r, 1, 0))
		}
		return map[string]any{"ratings": r, "trace": trace}
	})
}

// Of two players the answer is known in closed form: the gap of the share won, and the
// standard error 1/√(n·p·(1−p)) of its logit.
func TestEloOfTwo(t *testing.T) {
	elo, se := rate(t, eval.Tournament{Players: letters[:2], Wins: [][]float64{{0, 30}, {10, 0}}, Anchor: "b"})
	rltest.Close(t, "Elo", elo, []float64{eval.EloGap(0.75), 0}, 1e-9)
	rltest.Close(t, "s.e.", se, []float64{eval.EloPerNat / math.Sqrt(40*0.75*0.25), 0}, 1e-9)
	// The paper's figures: 57 % is 49 points, and a nat is about 174.
	rltest.Close(t, "57 %", eval.EloGap(0.57), 49.0, 0.02)
	rltest.Close(t, "a nat", eval.EloPerNat, 174.0, 0.002)
}

// Known strengths are found again, within two standard errors as often as they should
// be, and comparisons that are doubled make the errors √2 smaller. The usual mistake, a
// player's own curvature 1/√H_ii, claims too little.
func TestEloRecovers(t *testing.T) {
	truth := []float64{0, 60, 150, 240, 300}
	rng := rand.New(rand.NewPCG(4, 5))
	inside, mistaken, all := 0, 0, 0
	for range 60 {
		n := eval.Tournament{Players: letters[:5], Anchor: "a", Wins: make([][]float64, 5)}
		for i := range n.Wins {
			n.Wins[i] = make([]float64, 5)
		}
		for i := range 5 {
			for j := range i {
				for range 60 {
					if rng.Float64() < eval.WinRate(truth[i]-truth[j]) {
						n.Wins[i][j]++
					} else {
						n.Wins[j][i]++
					}
				}
			}
		}
		elo, se := rate(t, n)
		for i := 1; i < 5; i++ {
			own := 0.0
			for j := range 5 {
				p := eval.WinRate(elo[i] - elo[j])
				own += (n.Wins[i][j] + n.Wins[j][i]) * p * (1 - p)
			}
			all++
			if math.Abs(elo[i]-truth[i]) < eval.Z95*se[i] {
				inside++
			}
			if math.Abs(elo[i]-truth[i]) < eval.Z95*eval.EloPerNat/math.Sqrt(own) {
				mistaken++
			}
		}
		for i := range n.Wins {
			n.Wins[i] = scaled(n.Wins[i], 2, 0)
		}
		same, smaller := rate(t, n)
		rltest.Close(t, "Elo of doubled wins", same, elo, 1e-7)
		rltest.Close(t, "s.e. of doubled wins", scaled(smaller, math.Sqrt2, 0), se, 1e-7)
	}
	if share := float64(inside) / float64(all); share < 0.92 || share > 0.98 {
		t.Errorf("%.3f of the 95 %% intervals hold the truth", share)
	}
	if share := float64(mistaken) / float64(all); share > 0.9 {
		t.Errorf("intervals of a player's own curvature hold the truth as often as %.3f: the mistake is not seen", share)
	}
}

// Infinite and undefined scores are errors that name who is to blame; a prior mends the
// first and not the second.
func TestEloWithoutAnswer(t *testing.T) {
	zero := func(n int) [][]float64 {
		w := make([][]float64, n)
		for i := range w {
			w[i] = make([]float64, n)
		}
		return w
	}
	winner := zero(3)
	winner[0][1], winner[1][2], winner[2][1] = 5, 2, 3 // a never loses
	loser := zero(3)
	loser[0][1], loser[1][0], loser[1][2] = 1, 1, 4 // c never wins
	apart := zero(4)
	apart[0][1], apart[1][0], apart[2][3], apart[3][2] = 1, 1, 2, 1
	negative := zero(2)
	negative[0][1] = -1
	self := zero(2)
	self[0][0] = 1
	for name, c := range map[string]struct {
		t    eval.Tournament
		want string
	}{
		"never lost": {eval.Tournament{Players: letters[:3], Wins: winner}, "a never lost to b, c"},
		"never won":  {eval.Tournament{Players: letters[:3], Wins: loser}, "a, b never lost to c"},
		"apart":      {eval.Tournament{Players: letters[:4], Wins: apart, Prior: 1}, "connects a, b with c, d"},
		"negative":   {eval.Tournament{Players: letters[:2], Wins: negative}, "Wins[0][1] = -1"},
		"itself":     {eval.Tournament{Players: letters[:2], Wins: self}, "Wins[0][0] = 1"},
		"one":        {eval.Tournament{Players: letters[:1], Wins: zero(1)}, "at least 2"},
		"ragged":     {eval.Tournament{Players: letters[:2], Wins: zero(3)}, "3 rows"},
		"twice":      {eval.Tournament{Players: []string{"a", "a"}, Wins: zero(2)}, `called "a"`},
		"anchor":     {eval.Tournament{Players: letters[:3], Wins: loser, Anchor: "x"}, `Anchor = "x"`},
		"prior":      {eval.Tournament{Players: letters[:3], Wins: loser, Prior: math.NaN()}, "Prior = NaN"},
	} {
		if _, err := eval.Elo(c.t); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want one with %q", name, err, c.want)
		}
	}
	weak, _ := rate(t, eval.Tournament{Players: letters[:3], Wins: winner, Anchor: "c", Prior: 1})
	strong, _ := rate(t, eval.Tournament{Players: letters[:3], Wins: winner, Anchor: "c", Prior: 10})
	if !(weak[0] > strong[0] && strong[0] > 0 && weak[0] < 1000) {
		t.Errorf("the undefeated have %.0f with a weak and %.0f with a strong prior", weak[0], strong[0])
	}
	if elo, _ := rate(t, eval.Tournament{Players: letters[:2], Wins: [][]float64{{0, 1000}, {1e-3, 0}}}); !(elo[0] > 1000) {
		t.Errorf("a lopsided pair has %v", elo)
	}
}

// Comparisons one by one are the matrix; a tie is half a win for each.
func TestTournamentAdds(t *testing.T) {
	var n eval.Tournament
	n.Add("a", "b")
	n.Tie("c", "a")
	n.Add("b", "a")
	n.Tie("a", "c")
	n.Add("c", "b")
	rltest.Close(t, "wins", n.Wins, [][]float64{{0, 1, 1}, {1, 0, 0}, {1, 1, 0}}, 0)
}

// Nobody met b, and c only d: one tie each with the anchor, and nothing else, lets all be rated.
func TestTournamentConnects(t *testing.T) {
	n := eval.NewTournament("a", "b", "c", "d")
	n.Add("c", "d")
	n.Add("d", "a")
	n.Prior = 1
	if _, err := eval.Elo(n); err == nil {
		t.Error("b has a score without a comparison")
	}
	n.Connect()
	rltest.Close(t, "wins", n.Wins, [][]float64{{0, .5, .5, 0}, {.5, 0, 0, 0}, {.5, 0, 0, 1}, {1, 0, 0, 0}}, 0)
	if elo, _ := rate(t, n); elo[0] != 0 || elo[1] != 0 || !(elo[3] > 0) {
		t.Errorf("ratings %v", elo)
	}
}

// Three players by the crowd's comparisons, the base model at zero.
func ExampleElo() {
	var t eval.Tournament
	for range 30 {
		t.Add("best of 8", "base")
		t.Add("policy", "best of 8")
		t.Add("policy", "base")
	}
	for range 15 {
		t.Add("base", "best of 8")
		t.Add("best of 8", "policy")
		t.Add("base", "policy")
	}
	t.Anchor = "base"
	ratings, err := eval.Elo(t)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, r := range ratings {
		fmt.Printf("%s: %.0f (%.0f to %.0f), won %.0f of %.0f\n", r.Name, r.Elo+0, r.Low+0, r.High+0, r.Won, r.Games)
	}
	// Output:
	// best of 8: 81 (-5 to 168), won 45 of 90
	// base: 0 (0 to 0), won 30 of 90
	// policy: 163 (73 to 252), won 60 of 90
}
