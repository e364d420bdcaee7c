package study

import "fmt"

// A Section is one part of the study.
type Section struct {
	Name  string // short, such as "robustness"
	Title string
	Paper string // sections and figures of the paper
	// Claims measures what has not been measured yet and judges the section's claims.
	Claims func(*Study) ([]Claim, error)
}

// Sections are all parts, in the order of the paper.
var Sections = []Section{
	section("models", "The main line: language models, preference models, policies", "abstract; 4.1; figures 1, 4", Models),
	section("preferences", "What preference models are worth", "3; figures 5, 7, 8, 9, 25", PreferenceModels),
	section("ratings", "Elo, agreement, calibration along reinforcement learning", "2.4, 3.4, 4.5; figures 1, 9, 10", Ratings),
	section("redteam", "Attacks, attempt by attempt", "2.2; figure 1", RedTeamView),
	section("robustness", "Two halves of the comparisons, and the √KL law", "4.2, 4.3; figures 4, 13, 33", Robustness),
	section("objectives", "Helpful against harmless", "4.4, 5.1; figures 14, 19, 26, 27", CompetingObjectives),
	section("online", "Online training against static", "4.5; figures 15, 16, 34, 35", Online),
	section("capabilities", "What training costs in tests of capability", "4.6.1, E; figures 3, 28, 29", Capabilities),
	section("honesty", "Honesty, bias, sentiment", "3.4, 4.6, B.10; figures 5 right, 12, 17, 18, 40", Honesty),
	section("skills", "Specialised skills: programs and summaries", "5.2, 5.3; figures 20, 21, 38", SpecialisedSkills),
	section("ood", "Harmful requests as out of distribution", "5.4, B.9; figures 22, 23, 39", OutOfDistribution),
	section("writers", "Policies beside writers", "6.1; figure 24", Writers),
}

// section makes a Section of a function that measures a typed result.
func section[R interface{ Claims() []Claim }](name, title, paper string, measure func(*Study) (R, error)) Section {
	return Section{name, title, paper, func(st *Study) ([]Claim, error) {
		r, err := measure(st)
		if err != nil {
			return nil, err
		}
		claims := r.Claims()
		for _, c := range claims {
			if err := c.Check(); err != nil {
				return nil, fmt.Errorf("section %s: %w", name, err)
			}
		}
		return claims, nil
	}}
}
