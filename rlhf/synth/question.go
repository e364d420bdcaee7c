package synth

import (
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"

	"hhrlhf/rlhf"
)

// A Question is what the last Human turn of a prompt asks.
type Question struct {
	Skill   string // one of Skills
	X       string // what it is about: a country, a sum, a program, a passage, a topic ...
	Answer  string // one right answer; for "harm" what a response that complies says
	Harmful bool

	count    int      // list: how many
	category category // list
	op       string   // write: the operation that the program must use
	harm     harm     // harm
	fact     [4]string
}

// Skills names the kinds of question. "harm" is the one that should be refused.
var Skills = []string{"capital", "job", "pet", "sound", "colour", "opposite", "sum", "run", "advice", "list", "write", "summary", "harm"}

// skillWeights are the shares of the benign skills among benign prompts.
var (
	skillWeights = []float64{11, 8, 8, 8, 8, 8, 14, 9, 10, 7, 4, 5}
	smallSkills  = []float64{0, 8, 0, 9, 9, 9, 0, 0, 9, 0, 0, 0}
)

// smallFacts is how many facts of a kind the small world has.
const smallFacts = 4

var (
	askList    = parseTemplates("name {x} {y}.", "give me {x} {y}.", "can you list {x} {y}?")
	sayList    = parseTemplates("here are {x}: {y}", "you could say {y}")
	askWrite   = parseTemplates("write a program with {y} that gives {x}.", "which program gives {x} with {y}?")
	sayWrite   = parseTemplates("this works: {y}", "try {y}")
	askSummary = parseTemplates("sum this up: {x}", "what is the main point here: {x}", "in one line: {x}")
	saySummary = parseTemplates("in short, {y}", "the main point is that {y}")
	askHowTo   = parseTemplates(howTo...)

	sayAlternative = parseTemplates(instead...)
	sayWent        = parseTemplate("{x} went to the {y}")
	stackOps       = []string{"add", "sub", "mul"}
)

// Question parses the last Human turn of a prompt. It is false where the turn
// asks nothing that this world knows.
func (w *World) Question(prompt string) (Question, bool) {
	text := prompt
	if i := strings.LastIndex(text, rlhf.Human); i >= 0 {
		text = text[i+len(rlhf.Human):]
	}
	text, _, _ = strings.Cut(text, rlhf.Assistant)
	return w.parseQuestion(normalise(text))
}

func (w *World) parseQuestion(s string) (Question, bool) {
	s = stripLeads(s)
	for _, r := range w.relations {
		for _, t := range r.ask {
			if x, _, ok := t.match(s); ok {
				if y, ok := r.lookup(x); ok {
					return Question{Skill: r.name, X: x, Answer: y}, true
				}
			}
		}
	}
	for _, t := range askHowTo {
		if x, _, ok := t.match(s); ok {
			if i := slices.IndexFunc(harms, func(h harm) bool { return h.ask == x }); i >= 0 {
				return Question{Skill: "harm", X: x, Answer: harms[i].method, Harmful: true, harm: harms[i]}, true
			}
		}
	}
	for _, t := range askList {
		if x, y, ok := t.match(s); ok {
			n := slices.Index(counts, x)
			c := slices.IndexFunc(categories, func(c category) bool { return c.name == y })
			if n >= 0 && c >= 0 {
				items := categories[c].items[:n+2]
				return Question{Skill: "list", X: y, Answer: joinItems(items), count: n + 2, category: categories[c]}, true
			}
		}
	}
	for _, t := range askWrite {
		if x, y, ok := t.match(s); ok {
			if n, err := number(x); err == nil && slices.Contains(stackOps, y) {
				return Question{Skill: "write", X: x, Answer: programFor(n, y), op: y}, true
			}
		}
	}
	for _, t := range askSummary {
		if x, _, ok := t.match(s); ok {
			if fact, ok := keyFact(x); ok {
				return Question{Skill: "summary", X: x, Answer: summaryOf(fact), fact: fact}, true
			}
		}
	}
	return Question{}, false
}

// stripLeads takes greetings and courtesies off the front of a question.
func stripLeads(s string) string {
	for {
		before := s
		for _, leads := range [][]string{greetings, followUps} {
			for _, lead := range leads {
				if rest, ok := cutWordPrefix(s, lead); ok && rest != "" {
					s = rest
				}
			}
		}
		if s == before {
			return s
		}
	}
}

// programFor writes the shortest program that gives n with op.
func programFor(n int, op string) string {
	switch op {
	case "mul":
		return "push 1 push " + strconv.Itoa(n) + " mul"
	case "sub":
		return "push " + strconv.Itoa(n+1) + " push 1 sub"
	}
	return "push " + strconv.Itoa(max(n-1, 0)) + " push " + strconv.Itoa(min(n, 1)) + " add"
}

// keyFact finds the fact of a passage: person, verb, shade, thing.
func keyFact(passage string) (fact [4]string, ok bool) {
	words := strings.Fields(passage)
	for i := 0; i+4 < len(words); i++ {
		if f, ok := factAt(words[i:]); ok {
			return f, true
		}
	}
	return fact, false
}

// factAt reads "person verb a shade thing" at the start of words.
func factAt(words []string) (fact [4]string, ok bool) {
	if len(words) < 5 || words[2] != "a" {
		return fact, false
	}
	fact = [4]string{words[0], words[1], words[3], words[4]}
	ok = slices.Contains(people, fact[0]) && slices.Contains(verbs, fact[1]) &&
		slices.Contains(shades, fact[2]) && slices.Contains(things, fact[3])
	return fact, ok
}

func summaryOf(f [4]string) string { return f[0] + " " + f[1] + " a " + f[2] + " " + f[3] }

func joinItems(items []string) string {
	last := len(items) - 1
	return strings.Join(items[:last], ", ") + " and " + items[last]
}

// drawQuestion draws a question and one of its phrasings.
func (w *World) drawQuestion(rng *rand.Rand, harmful bool) (Question, string) {
	if harmful {
		return w.asked(pick(rng, askHowTo).render(pick(rng, w.harms).ask, ""))
	}
	return w.drawSkill(rng, drawWeighted(rng, w.skills))
}

func (w *World) drawSkill(rng *rand.Rand, skill int) (Question, string) {
	if skill < len(w.relations) {
		r := w.relations[skill]
		return w.asked(pick(rng, r.ask).render(r.draw(rng), ""))
	}
	switch Skills[skill] {
	case "list":
		return w.asked(pick(rng, askList).render(pick(rng, counts), pick(rng, categories).name))
	case "write":
		return w.asked(pick(rng, askWrite).render(strconv.Itoa(2+rng.IntN(9)), pick(rng, stackOps)))
	case "summary":
		who := pick(rng, people)
		fact := [4]string{who, pick(rng, verbs), pick(rng, shades), pick(rng, things)}
		passage := sayWent.render(who, pick(rng, places)) + ". " + summaryOf(fact) + "."
		if rng.IntN(2) == 0 {
			passage += " " + pick(rng, endings) + "."
		}
		return w.asked(pick(rng, askSummary).render(passage, ""))
	}
	return w.asked(pick(rng, askHowTo).render(pick(rng, w.harms).ask, ""))
}

// asked parses a drawn question with the parser that reads everyone's: what the
// world asks and what it understands cannot drift apart.
func (w *World) asked(text string) (Question, string) {
	q, _ := w.parseQuestion(normalise(text))
	return q, text
}

func drawWeighted(rng *rand.Rand, weights []float64) int {
	var total float64
	for _, x := range weights {
		total += x
	}
	u := rng.Float64() * total
	for i, x := range weights {
		if u -= x; u < 0 {
			return i
		}
	}
	return len(weights) - 1
}
