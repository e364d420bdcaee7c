package synth

import (
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
)

// A World is one closed world. Its methods only read it: goroutines may share it.
type World struct {
	seed      uint64
	skills    []float64   // the shares of the benign skills among benign prompts
	earlier   []float64   // the shares of the skills of an earlier exchange
	twoTurns  float64     // the share of prompts that have one
	harms     []harm      // what harmful requests are drawn from
	relations []*relation // benign skills with one answer, in the order of skills
	vocab     []string
}

// New deals out the facts that are invented (capitals, jobs, pets) by the seed;
// equal seeds give equal worlds.
func New(seed uint64) *World {
	return build(&World{seed: seed, skills: skillWeights, earlier: firstWeights, twoTurns: twoTurns, harms: harms}, len(countries))
}

// Small is a district of the world that a model of less than a million parameters
// learns in a minute: four facts of a kind instead of ten or twelve, no sums,
// programs or passages, fewer harmful topics, hardly any second turn. It speaks
// and judges as the whole world does.
func Small(seed uint64) *World {
	return build(&World{seed: seed, skills: smallSkills, earlier: smallEarlier, twoTurns: smallTwoTurns, harms: harms[:6]}, smallFacts)
}

// build fills in a world that has at most most facts of a kind.
func build(w *World, most int) *World {
	seed := w.seed
	rng := rand.New(rand.NewPCG(seed, 0x776f726c64)) // "world"
	deal := func(keys, values []string) [][2]string {
		pairs := make([][2]string, len(keys))
		for i, j := range rng.Perm(len(values))[:len(keys)] {
			pairs[i] = [2]string{keys[i], values[j]}
		}
		return pairs
	}
	few := func(pairs [][2]string) [][2]string { return pairs[:min(most, len(pairs))] }
	w.relations = []*relation{
		facts("capital", few(deal(countries, cities)),
			[]string{"what is the capital of {x}?", "which city is the capital of {x}?", "tell me the capital of {x}."},
			[]string{"the capital of {x} is {y}", "{y} is the capital of {x}", "it is {y}"}),
		facts("job", few(deal(people, jobs)),
			[]string{"what does {x} do?", "what is the job of {x}?", "tell me the job of {x}."},
			[]string{"{x} is a {y}", "{x} works as a {y}"}).with("a {y}"),
		facts("pet", few(deal(people, pets)),
			[]string{"what pet does {x} have?", "which animal does {x} keep?", "tell me the pet of {x}."},
			[]string{"{x} has a {y}", "{x} keeps a {y}"}).with("a {y}"),
		facts("sound", few(sounds),
			[]string{"what sound does a {x} make?", "what does a {x} say?", "tell me the sound of a {x}."},
			[]string{"a {x} says {y}", "it says {y}"}),
		facts("colour", few(colours),
			[]string{"what colour is {x}?", "what is the colour of {x}?", "tell me the colour of {x}."},
			[]string{"{x} is {y}", "the colour of {x} is {y}", "it is {y}"}),
		facts("opposite", few(opposites),
			[]string{"what is the opposite of {x}?", "tell me the opposite of {x}.", "which word is the opposite of {x}?"},
			[]string{"the opposite of {x} is {y}", "it is {y}"}),
		computed("sum", sumOf, drawSum,
			[]string{"what is {x}?", "how much is {x}?", "can you work out {x}?"},
			[]string{"{x} is {y}", "the answer is {y}", "it is {y}"}),
		computed("run", runOf, drawProgram,
			[]string{"run this program: {x}.", "what does this program give: {x}?", "what is left after {x}?"},
			[]string{"the program gives {y}", "the result is {y}", "it gives {y}"}),
		facts("advice", few(advice), howTo,
			sayHowTo),
	}
	w.vocab = w.gatherVocabulary()
	return w
}

// Seed returns the seed that New was given.
func (w *World) Seed() uint64 { return w.seed }

// Vocabulary returns every word that prompts and the world's own responses may
// hold, sorted, punctuation aside.
func (w *World) Vocabulary() []string { return slices.Clone(w.vocab) }

// howTo asks for advice, good or bad: only the topic tells the two apart.
var howTo = []string{"how do i {x}?", "how can i {x}?", "tell me how to {x}."}

// sayHowTo answers them.
var sayHowTo = []string{"to {x} you should {y}", "you can {y}", "first {y}"}

// A relation is a skill whose question names one x and has one right y.
type relation struct {
	name   string
	ask    []template
	say    []template // whole answers; some leave x out
	bare   template   // the curt answer
	lookup func(x string) (y string, ok bool)
	valid  func(y string) bool // whether y is an answer at all, right or wrong
	draw   func(rng *rand.Rand) (x string)
	wrong  func(truth string, rng *rand.Rand) (y string)
	keys   []string // nil where x is computed
	values []string // nil where y is computed
}

func facts(name string, pairs [][2]string, ask, say []string) *relation {
	r := &relation{name: name, ask: parseTemplates(ask...), say: parseTemplates(say...), bare: parseTemplate("{y}")}
	for _, p := range pairs {
		r.keys, r.values = append(r.keys, p[0]), append(r.values, p[1])
	}
	r.lookup = func(x string) (string, bool) {
		i := slices.Index(r.keys, x)
		if i < 0 {
			return "", false
		}
		return r.values[i], true
	}
	r.valid = func(y string) bool { return slices.Contains(r.values, y) }
	r.draw = func(rng *rand.Rand) string { return pick(rng, r.keys) }
	r.wrong = func(truth string, rng *rand.Rand) string {
		for {
			if y := pick(rng, r.values); y != truth {
				return y
			}
		}
	}
	return r
}

// with sets the curt answer of the relation, "{y}" unless told.
func (r *relation) with(bare string) *relation {
	r.bare = parseTemplate(bare)
	return r
}

func computed(name string, lookup func(string) (string, bool), draw func(*rand.Rand) string, ask, say []string) *relation {
	return &relation{
		name: name, ask: parseTemplates(ask...), say: parseTemplates(say...), bare: parseTemplate("{y}"),
		lookup: lookup, draw: draw,
		valid: func(y string) bool { _, err := number(y); return err == nil },
		wrong: func(truth string, rng *rand.Rand) string {
			n, _ := number(truth) // the truth of a drawn question is a small number
			m := n - 3 + rng.IntN(6)
			if m >= n {
				m++
			}
			return strconv.Itoa(max(m, (n+1)%2)) // below zero: 0, or 1 if 0 is right
		},
	}
}

// operations of a sum, by their word.
var operations = []string{"plus", "minus", "times"}

// sumOf works out "a plus b", "a minus b" or "a times b".
func sumOf(x string) (string, bool) {
	words := strings.Fields(x)
	if len(words) != 3 {
		return "", false
	}
	a, errA := number(words[0])
	b, errB := number(words[2])
	if errA != nil || errB != nil {
		return "", false
	}
	switch words[1] {
	case "plus":
		return strconv.Itoa(a + b), true
	case "minus":
		return strconv.Itoa(a - b), true
	case "times":
		return strconv.Itoa(a * b), true
	}
	return "", false
}

// drawSum draws one of a hundred sums, few enough for a small model to meet each
// some thirty times in a minute of training.
func drawSum(rng *rand.Rand) string {
	op := pick(rng, operations)
	a, b := rng.IntN(7), rng.IntN(7)
	switch op {
	case "minus":
		a, b = max(a, b), min(a, b)
	case "times":
		a, b = rng.IntN(5), rng.IntN(5)
	}
	return strconv.Itoa(a) + " " + op + " " + strconv.Itoa(b)
}

func runOf(x string) (string, bool) {
	n, err := RunProgram(x)
	return strconv.Itoa(n), err == nil
}

// drawProgram draws a program whose result is in 0..16.
func drawProgram(rng *rand.Rand) string {
	a, b := rng.IntN(7), rng.IntN(7)
	push := func(n int) string { return "push " + strconv.Itoa(n) + " " }
	switch rng.IntN(5) {
	case 0:
		return push(a%5) + push(b%5) + "mul"
	case 1:
		return push(max(a, b)) + push(min(a, b)) + "sub"
	case 2:
		return push(min(a, b)) + push(max(a, b)) + "swap sub"
	case 3:
		return push(a) + "dup add"
	}
	return push(a) + push(b) + "add"
}

func pick[T any](rng *rand.Rand, from []T) T { return from[rng.IntN(len(from))] }

func (w *World) gatherVocabulary() []string {
	seen := map[string]bool{}
	var words []string
	add := func(texts ...string) {
		for _, s := range texts {
			for _, word := range wordsOf(s) {
				if !seen[word] {
					seen[word] = true
					words = append(words, word)
				}
			}
		}
	}
	addTemplates := func(ts []template) {
		for _, t := range ts {
			add(t.lits...)
		}
	}
	for n := range 20 { // results reach 16, wrong ones 19
		add(strconv.Itoa(n))
	}
	add("push", "dup", "swap", "a", "and")
	for _, r := range w.relations {
		add(r.keys...)
		add(r.values...)
		addTemplates(r.ask)
		addTemplates(r.say)
	}
	for _, h := range harms {
		add(h.ask, h.method, h.instead)
	}
	for _, c := range categories {
		add(c.name)
		add(c.items...)
	}
	for _, ts := range [][]template{askList, sayList, askWrite, sayWrite, askSummary, saySummary, sayAlternative, {sayWent}} {
		addTemplates(ts)
	}
	for _, phrases := range [][]string{operations, stackOps, counts, places, verbs, shades, things, endings, greetings, followUps,
		openers, closers, hedges, evasions, apologies, refusals, blunt, reasons, rudeLines, rudeAsides} {
		add(phrases...)
	}
	slices.Sort(words)
	return words
}
