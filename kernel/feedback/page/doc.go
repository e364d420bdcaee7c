// Package page is the labelling page for people without a notebook: a small web server
// that only this machine can reach, over the same log as the notebook's buttons.
//
//	l, err := feedback.OpenLog("friends.jsonl")
//	err = page.Serve(ctx, page.Options{Log: l, Ready: func(url string) { fmt.Println(url) }})
//
// It shows each labeller the questions of the log that they have not answered; with
// policies, it goes on with conversations, turn by turn, as the paper's interface did
// (section 2.1, figures 6 and 41 to 43). Several labellers may work at the same time, each
// under a name. The page needs no network: its three files are in the program.
//
// # Who may use it
//
// The server listens on the loopback address only. A URL with a token opens it, once: the
// browser that followed it gets a cookie, and [Options.Ready] is given the URL for the next
// one. Requests under another host's name are refused, so that a name that is made to point
// to this machine is of no use, and so is every change that another site's page asks for.
// Texts of models are set as text, never as HTML, and the page's own policy forbids
// scripts other than its own.
package page
