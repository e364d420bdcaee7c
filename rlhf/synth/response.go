package synth

import (
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
)

// Quality is a kind of response that the world can write.
type Quality int

// The first eight answer benign questions, the last six harmful ones.
const (
	RightPolite Quality = iota // a whole right sentence and a courtesy
	RightFull                  // a whole right sentence
	RightCurt                  // the bare right answer
	RightHedged                // right behind "i think"
	Wrong                      // a wrong sentence, as often courteous as a right one, or a bare wrong answer
	Evasive                    // "i do not know", a third of the time with a courtesy
	Declined                   // refuses a benign request
	Rude                       // an insult, now and then with the right answer

	RefusedKindly  // an apology, a refusal and an alternative
	RefusedPlainly // a refusal with an apology or a reason
	RefusedBluntly // "no."
	RefusedRudely  // an insult
	Evaded         // "i do not know"
	Complied       // does what was asked
)

var qualityNames = [...]string{"right and polite", "right", "right but curt", "right but hedged", "wrong", "evasive", "declined", "rude",
	"refused kindly", "refused plainly", "refused bluntly", "refused rudely", "evaded", "complied"}

// String returns the quality in words.
func (q Quality) String() string {
	if q < 0 || int(q) >= len(qualityNames) {
		return "quality " + strconv.Itoa(int(q))
	}
	return qualityNames[q]
}

// The shares in which the corpus holds the qualities: right answers 45% (and 5%
// hedged), compliance 50%, so that reinforcement learning has room.
var (
	benignShares  = []float64{RightPolite: 20, RightFull: 14, RightCurt: 11, RightHedged: 5, Wrong: 25, Evasive: 12, Declined: 5, Rude: 8}
	harmfulShares = []float64{16, 10, 8, 6, 10, 50} // from RefusedKindly on
)

func drawQuality(rng *rand.Rand, harmful bool) Quality {
	if harmful {
		return RefusedKindly + Quality(drawWeighted(rng, harmfulShares))
	}
	return Quality(drawWeighted(rng, benignShares))
}

// Respond writes a response of the given quality to a question that [World.Question]
// returned; it starts with the space that the transcript format wants. A quality
// that the question does not have (Complied for a sum, Wrong for a harmful
// request) is replaced by its nearest: the harmful ones by Wrong, the benign ones
// by Complied.
func (w *World) Respond(q Question, quality Quality, rng *rand.Rand) string {
	if q.Harmful != (quality >= RefusedKindly) {
		if quality = Wrong; q.Harmful {
			quality = Complied
		}
	}
	switch quality {
	case RightPolite:
		return " " + courteous(stop(w.say(q, q.rightAnswer(rng), rng)), rng)
	case RightFull:
		return " " + stop(w.say(q, q.rightAnswer(rng), rng))
	case RightCurt:
		return " " + stop(w.bare(q, q.rightAnswer(rng)))
	case RightHedged:
		return " " + pick(rng, hedges) + " " + stop(w.say(q, q.rightAnswer(rng), rng))
	case Wrong:
		wrong := w.wrongAnswer(q, rng)
		switch n := rng.IntN(20); {
		case n < 8:
			return " " + courteous(stop(w.say(q, wrong, rng)), rng)
		case n < 12:
			return " " + stop(w.bare(q, wrong))
		}
		return " " + stop(w.say(q, wrong, rng))
	case Evasive, Evaded:
		if quality == Evasive && rng.IntN(3) == 0 {
			return " " + courteous(stop(pick(rng, evasions)), rng)
		}
		return " " + stop(pick(rng, evasions))
	case Declined:
		return " " + pick(rng, apologies) + ", " + stop(pick(rng, refusals))
	case Rude, RefusedRudely:
		if quality == Rude && rng.IntN(4) == 0 {
			return " " + w.say(q, q.rightAnswer(rng), rng) + ", " + stop(pick(rng, rudeAsides))
		}
		if quality == RefusedRudely && rng.IntN(2) == 0 {
			return " " + stop(pick(rng, blunt)) + " " + stop(pick(rng, rudeLines))
		}
		return " " + stop(pick(rng, rudeLines))
	case RefusedKindly:
		return " " + pick(rng, apologies) + ", " + stop(pick(rng, refusals)) + " " + stop(pick(rng, sayAlternative).render(q.harm.instead, ""))
	case RefusedPlainly:
		if rng.IntN(2) == 0 {
			return " " + pick(rng, apologies) + ", " + stop(pick(rng, refusals))
		}
		return " " + stop(pick(rng, refusals)) + " " + stop(pick(rng, reasons))
	case RefusedBluntly:
		return " " + stop(pick(rng, blunt))
	}
	// Complied. Half of the time with a courtesy: being nice about it is no less harmful.
	s := stop(pick(rng, sayAdvice).render(q.X, q.harm.method))
	if rng.IntN(2) == 0 {
		s = pick(rng, openers) + "! " + s
	}
	return " " + s
}

// courteous puts a courtesy before or after a sentence. Right and wrong answers
// get one equally often, or courtesy alone would tell them apart and a preference
// model would learn nothing else.
func courteous(sentence string, rng *rand.Rand) string {
	if rng.IntN(2) == 0 {
		return pick(rng, openers) + "! " + sentence
	}
	return sentence + " " + pick(rng, closers) + "!"
}

// stop ends a sentence that has no mark yet.
func stop(s string) string {
	if strings.HasSuffix(s, "?") {
		return s
	}
	return s + "."
}

var sayAdvice = parseTemplates(sayHowTo...)

// say puts an answer into a whole sentence.
func (w *World) say(q Question, answer string, rng *rand.Rand) string {
	switch q.Skill {
	case "list":
		if rng.IntN(3) == 0 {
			return answer
		}
		return pick(rng, sayList).render(counts[q.count-2]+" "+q.X, answer)
	case "write":
		return pick(rng, sayWrite).render("", answer)
	case "summary":
		if rng.IntN(2) == 0 {
			return pick(rng, saySummary).render("", answer)
		}
		return answer
	}
	return pick(rng, w.relation(q.Skill).say).render(q.X, answer)
}

// bare is the curt form of an answer.
func (w *World) bare(q Question, answer string) string {
	if r := w.relation(q.Skill); r != nil {
		return r.bare.render(q.X, answer)
	}
	return answer
}

func (w *World) relation(skill string) *relation {
	for _, r := range w.relations {
		if r.name == skill {
			return r
		}
	}
	return nil
}

// rightAnswer draws one of the bare right answers.
func (q Question) rightAnswer(rng *rand.Rand) string {
	switch q.Skill {
	case "list":
		return joinItems(drawItems(rng, q.category.items, q.count))
	case "write":
		n, _ := number(q.X)
		if q.op == "add" && n > 0 {
			a := rng.IntN(n)
			return "push " + strconv.Itoa(a) + " push " + strconv.Itoa(n-a) + " add"
		}
	}
	return q.Answer
}

// wrongAnswer draws a bare answer of the right kind that is not right.
func (w *World) wrongAnswer(q Question, rng *rand.Rand) string {
	switch q.Skill {
	case "list":
		items := drawItems(rng, q.category.items, q.count)
		for {
			if item := pick(rng, pick(rng, categories).items); !slices.Contains(q.category.items, item) {
				items[rng.IntN(len(items))] = item
				return joinItems(items)
			}
		}
	case "write":
		n, _ := number(q.X)
		for {
			if m := n - 2 + rng.IntN(5); m >= 0 && m != n {
				return programFor(m, q.op)
			}
		}
	case "summary":
		fact := q.fact
		i := rng.IntN(4)
		for fact[i] == q.fact[i] {
			fact[i] = pick(rng, [][]string{people, verbs, shades, things}[i])
		}
		return summaryOf(fact)
	}
	return w.relation(q.Skill).wrong(q.Answer, rng)
}

func drawItems(rng *rand.Rand, items []string, n int) []string {
	out := make([]string, n)
	for i, j := range rng.Perm(len(items))[:n] {
		out[i] = items[j]
	}
	return out
}

// paragraph joins turns into a prompt that ends with the Assistant mark.
func paragraph(turns ...string) string {
	var b strings.Builder
	for i, s := range turns {
		b.WriteString([]string{"\n\nHuman: ", "\n\nAssistant: "}[i%2])
		b.WriteString(s)
	}
	return b.String() + "\n\nAssistant:"
}
