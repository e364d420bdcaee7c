package eval

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"gonum.org/v1/gonum/mat"
)

// EloPerNat is the Elo points of one nat of strength, 400/ln 10 ≈ 173.7: a difference
// of preference-model scores times this is a difference of Elo scores, if the model is
// calibrated (Bai et al. 2022, section 2.4: about 174).
const EloPerNat = 400 / math.Ln10

// EloGap is the difference of Elo scores at which the better one wins a share p of
// comparisons, 400·log10(p/(1−p)); ±Inf at 1 and 0.
func EloGap(p float64) float64 { return 400 * math.Log10(p/(1-p)) }

// WinRate is the share of comparisons that the better one of two wins whose Elo scores
// are gap apart, 1/(1 + 10^(−gap/400)).
func WinRate(gap float64) float64 { return 1 / (1 + math.Pow(10, -gap/400)) }

// A Rating is one player's Elo score. Its interval is of the difference from the
// anchor, so the anchor's has no width; without an anchor it is of the difference from
// the mean of all.
type Rating struct {
	Name  string  `json:"name"`
	Elo   float64 `json:"elo"`
	SE    float64 `json:"se"`
	Low   float64 `json:"low"` // 95 %
	High  float64 `json:"high"`
	Games float64 `json:"games"` // comparisons that it took part in, ties included
	Won   float64 `json:"won"`   // of them, ties as a half
}

// A Tournament says who was preferred to whom, and how often.
type Tournament struct {
	Players []string
	// Wins[i][j] is how often player i was preferred to player j. A tie that is to
	// count is half a win for each; the paper throws its "unsure" answers away.
	Wins [][]float64
	// Anchor names the player whose score is 0, "": the mean is.
	Anchor string
	// Prior is a number of ties added to each pair of players that met: half a win for
	// each, a prior that pulls scores together. 0: none, the maximum of the likelihood.
	// Players that won or lost every comparison have a finite score only with one.
	Prior float64
}

// Add counts one comparison. A name that is new becomes a player.
func (t *Tournament) Add(winner, loser string) { t.add(winner, loser, 1) }

// Tie counts one comparison as half a win for each.
func (t *Tournament) Tie(a, b string) {
	t.add(a, b, 0.5)
	t.add(b, a, 0.5)
}

func (t *Tournament) add(winner, loser string, wins float64) {
	for _, name := range []string{winner, loser} {
		if !slices.Contains(t.Players, name) {
			t.Players = append(t.Players, name)
		}
	}
	for len(t.Wins) < len(t.Players) {
		t.Wins = append(t.Wins, nil)
	}
	for i := range t.Wins {
		t.Wins[i] = append(t.Wins[i], make([]float64, len(t.Players)-len(t.Wins[i]))...)
	}
	t.Wins[slices.Index(t.Players, winner)][slices.Index(t.Players, loser)] += wins
}

// NewTournament is one of these players before any comparison, the first one the anchor.
func NewTournament(players ...string) Tournament {
	t := Tournament{Players: slices.Clone(players), Anchor: players[0], Wins: make([][]float64, len(players))}
	for i := range t.Wins {
		t.Wins[i] = make([]float64, len(players))
	}
	return t
}

// Connect gives each player that met the anchor in no comparison one tie with it, so that
// all can be rated however few comparisons were decided.
func (t *Tournament) Connect() {
	a := slices.Index(t.Players, t.Anchor)
	for i := range t.Players {
		if a >= 0 && i != a && t.Wins[a][i]+t.Wins[i][a] == 0 {
			t.Wins[a][i], t.Wins[i][a] = 0.5, 0.5
		}
	}
}

// Elo rates the players by maximum likelihood in the model of Bradley and Terry (1952),
// the paper's section 2.4 and equation B.1:
//
//	log L(θ) = −Σ_{i≠j} w_ij · log(1 + e^(θ_j − θ_i)),   Elo = 400/ln 10 · θ
//
// found by Newton's method, which converges from anywhere after damping because −log L
// is convex. With n_ij = w_ij + w_ji and p_ij = σ(θ_i − θ_j) its Hessian is
//
//	H_ii = Σ_j n_ij p_ij (1 − p_ij),   H_ij = −n_ij p_ij (1 − p_ij),
//
// singular along (1, …, 1): only differences mean anything. Standard errors are those
// of the inverse of H within the gauge, which is the anchor's row and column struck out,
// or the pseudo-inverse for the mean: not what a player's own diagonal entry alone
// says (1/√H_ii), which takes all others' scores for known and is always too small.
// Comparisons must be independent: several of one pair of responses are not.
//
// A finite maximum exists if and only if every group of players lost to someone outside
// (Ford 1957); the error names the group that breaks this, and Prior is the way out
// unless the group met nobody outside.
func Elo(t Tournament) ([]Rating, error) {
	n := len(t.Players)
	if err := t.check(); err != nil {
		return nil, err
	}
	w := make([][]float64, n)
	for i := range w {
		w[i] = slices.Clone(t.Wins[i])
	}
	for i := range w {
		for j := range i {
			if t.Wins[i][j]+t.Wins[j][i] > 0 {
				w[i][j], w[j][i] = w[i][j]+t.Prior/2, w[j][i]+t.Prior/2
			}
		}
	}
	if err := t.finite(w); err != nil {
		return nil, err
	}
	theta, err := bradleyTerry(w)
	if err != nil {
		return nil, err
	}
	anchor := slices.Index(t.Players, t.Anchor)
	cov, err := covariance(w, theta, anchor)
	if err != nil {
		return nil, err
	}
	zero := 0.0 // theta is centred
	if anchor >= 0 {
		zero = theta[anchor]
	}
	out := make([]Rating, n)
	for i, name := range t.Players {
		r := Rating{Name: name, Elo: EloPerNat * (theta[i] - zero), SE: EloPerNat * math.Sqrt(max(0, cov.At(i, i)))}
		r.Low, r.High = r.Elo-Z95*r.SE, r.Elo+Z95*r.SE
		for j := range n {
			r.Games += t.Wins[i][j] + t.Wins[j][i]
			r.Won += t.Wins[i][j]
		}
		out[i] = r
	}
	return out, nil
}

// check refuses what is no tournament.
func (t Tournament) check() error {
	n := len(t.Players)
	if n < 2 {
		return fmt.Errorf("eval: Elo of %d players, want at least 2", n)
	}
	if len(t.Wins) != n {
		return fmt.Errorf("eval: Elo: %d rows of wins for %d players", len(t.Wins), n)
	}
	for i, row := range t.Wins {
		if len(row) != n {
			return fmt.Errorf("eval: Elo: Wins[%d] has %d entries for %d players", i, len(row), n)
		}
		for j, v := range row {
			if !(v >= 0) || math.IsInf(v, 0) || i == j && v != 0 {
				return fmt.Errorf("eval: Elo: Wins[%d][%d] = %v (%s over %s), want a number of at least 0, and 0 on the diagonal", i, j, v, t.Players[i], t.Players[j])
			}
		}
		if slices.Index(t.Players, t.Players[i]) != i {
			return fmt.Errorf("eval: Elo: two players are called %q", t.Players[i])
		}
	}
	if t.Anchor != "" && !slices.Contains(t.Players, t.Anchor) {
		return fmt.Errorf("eval: Elo: Anchor = %q, which is none of the players %q", t.Anchor, t.Players)
	}
	if !(t.Prior >= 0) || math.IsInf(t.Prior, 0) {
		return fmt.Errorf("eval: Elo: Prior = %v, want a finite number of at least 0", t.Prior)
	}
	return nil
}

// finite refuses wins without a finite maximum: whoever cannot be reached from the
// first player along "beat" or "was beaten by" is infinitely far from it.
func (t Tournament) finite(w [][]float64) error {
	reached := func(beats func(i, j int) bool) (in, out []string) {
		seen, todo := make([]bool, len(w)), []int{0}
		seen[0] = true
		for len(todo) > 0 {
			i := todo[0]
			todo = todo[1:]
			for j := range w {
				if !seen[j] && beats(i, j) {
					seen[j] = true
					todo = append(todo, j)
				}
			}
		}
		for i, s := range seen {
			if s {
				in = append(in, t.Players[i])
			} else {
				out = append(out, t.Players[i])
			}
		}
		return in, out
	}
	list := func(names []string) string { return strings.Join(names, ", ") }
	if in, out := reached(func(i, j int) bool { return w[i][j]+w[j][i] > 0 }); len(out) > 0 {
		return fmt.Errorf("eval: Elo: no comparison connects %s with %s; their scores cannot be compared, rate them apart or compare them", list(in), list(out))
	}
	top, bottom := reached(func(i, j int) bool { return w[j][i] > 0 }) // who beat somebody reached
	if len(bottom) == 0 {
		bottom, top = reached(func(i, j int) bool { return w[i][j] > 0 })
	}
	if len(top) == 0 || len(bottom) == 0 {
		return nil
	}
	return fmt.Errorf("eval: Elo: %s never lost to %s, so the best difference is infinite; set Prior (1 adds half a win to each side of a pair that met)", list(top), list(bottom))
}

// bradleyTerry returns the log-strengths of mean 0 that maximise the likelihood of w.
func bradleyTerry(w [][]float64) ([]float64, error) {
	n := len(w)
	loss := func(theta []float64) (l float64) {
		for i := range w {
			for j, v := range w[i] {
				if v > 0 {
					l += v * softplus(theta[j]-theta[i])
				}
			}
		}
		return l
	}
	theta := make([]float64, n)
	now := loss(theta)
	for range 200 {
		gradient := mat.NewVecDense(n, nil)
		for i := range w {
			for j := range w {
				gradient.SetVec(i, gradient.AtVec(i)-w[i][j]*sigmoid(theta[j]-theta[i])+w[j][i]*sigmoid(theta[i]-theta[j]))
			}
		}
		inverse, err := covariance(w, theta, -1)
		if err != nil {
			return nil, err
		}
		var step mat.VecDense
		step.MulVec(inverse, gradient)
		size := mat.Norm(&step, math.Inf(1))
		next := make([]float64, n)
		for scale := 1.0; scale > 1e-12; scale /= 2 {
			for i := range next {
				next[i] = theta[i] - scale*step.AtVec(i)
			}
			if l := loss(next); l <= now {
				theta, now = slices.Clone(next), l
				break
			}
		}
		if size < 1e-12 {
			break
		}
	}
	mean := 0.0
	for _, v := range theta {
		mean += v / float64(n)
	}
	for i := range theta {
		theta[i] -= mean
	}
	return theta, nil
}

// covariance inverts the Hessian within the gauge θ[anchor] = 0, or Σ θ = 0 for a
// negative anchor, where (H + 11ᵀ)⁻¹ − 11ᵀ/n² is its pseudo-inverse.
func covariance(w [][]float64, theta []float64, anchor int) (*mat.Dense, error) {
	n := len(w)
	h := mat.NewDense(n, n, nil)
	for i := range w {
		for j := range w {
			if i != j {
				p := sigmoid(theta[i] - theta[j])
				v := (w[i][j] + w[j][i]) * p * (1 - p)
				h.Set(i, j, h.At(i, j)-v)
				h.Set(i, i, h.At(i, i)+v)
			}
		}
	}
	one := mat.NewDense(n, n, nil)
	one.Apply(func(_, _ int, _ float64) float64 { return 1 }, one)
	h.Add(h, one)
	var inverse mat.Dense
	if err := inverse.Inverse(h); err != nil {
		return nil, fmt.Errorf("eval: Elo: the likelihood is too flat for its curvature: %w", err)
	}
	one.Scale(1/float64(n*n), one)
	inverse.Sub(&inverse, one)
	if anchor < 0 {
		return &inverse, nil
	}
	c := mat.NewDense(n, n, nil) // of θ_i − θ_anchor
	c.Apply(func(i, j int, _ float64) float64 {
		return inverse.At(i, j) - inverse.At(i, anchor) - inverse.At(anchor, j) + inverse.At(anchor, anchor)
	}, c)
	return c, nil
}

// EloUpdate is the rating of chess clubs, one game at a time (Elo 1978): a's score moves
// by k·(score − expected) and b's by as much the other way, where score is 1, ½ or 0 for
// a. It depends on the order of the games and has no interval; [Elo] does neither.
func EloUpdate(a, b, score, k float64) (newA, newB float64) {
	move := k * (score - WinRate(a-b))
	return a + move, b - move
}
