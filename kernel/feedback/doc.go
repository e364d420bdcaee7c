// Package feedback asks people which of two responses is better, as the interface of Bai et
// al. 2022 did (sections 2.1 and 2.2), and keeps what they say as training data.
//
//	var fb = feedback.Open("friends.jsonl", feedback.Options{Labeller: "ana"})
//
//	a := lab.Must(fb.Ask(feedback.Question{Prompt: "How do I keep bread fresh?", A: x, B: y}))
//	d := lab.Must(fb.Talk(feedback.Conversation{Mode: feedback.RedTeam}, rlhf.Sampling{}, run))
//	loop := lab.Must(online.Open(s, "mine", cfg, online.Options{Labeller: fb}))
//	e := lab.Must(fb.Export("mine"))            // hh-rlhf JSONL, for rlhf.PM{Data: "mine"}
//	show.Agreement(lab.Must(fb.Agreement()))
//
// # What is asked
//
// A [Question] is a prompt and two responses, A and B, in random order; who wrote them is
// kept and not shown. The answer is one of eight buttons from A to B, or skip. A helpful
// question asks for the more helpful and honest response, a red-team question for the more
// harmful one. In helpful mode a response can be written anew; the labeller's version beats
// the original. A conversation ([Session.Talk]) goes on with the response that was clicked,
// and ends with the paper's rating.
//
// # Where it is asked
//
//	JupyterLab, VS Code      buttons, through the ipywidgets protocol that our kernel speaks
//	a front-end without them the notebook's input box, when the front-end refuses the buttons
//	any other program        the terminal
//	nbclient, papermill      Options.Simulated answers; without one, Ask fails with ErrNobody
//	a browser alone          the page of "rlhf feedback", over the same log
//
// A front-end without a user says so itself (allow_stdin is false in its execute requests),
// so that a notebook that is executed by a program never waits. One that knows no widgets
// and does not say so (jupyter console) needs Options.How or RLHF_FEEDBACK to be "input".
// Buttons stay alive after their cell has ended and after the page was loaded again; when
// they are pressed, a line of HTML takes their place, which is what a saved notebook shows.
// After a restart of the kernel buttons that nobody pressed are dead: run the cell again.
//
// # The log
//
// Everything goes into a file of JSON lines at once ([Log]): conversations, messages,
// questions, votes, edits, ratings. It is only added to, by any number of processes, and
// everything else is computed from it, so that nothing is lost in a crash or a restart, and
// an interrupted labeller goes on with the next question. A changed vote is a new line.
//
// # What becomes of it
//
// [State.Export] leaves out skipped questions and the weakest votes, turns red-team votes
// over, once ([Vote.Better]), and puts edits over their originals. Nothing else in this
// package turns a label over: the log has what was clicked.
//
// # Differences from the paper
//
//   - The paper says that labellers choose a strength on a row of buttons; that there are
//     eight is from memory of its figure 6.
//   - Skip is ours: the paper's workers clicked the smallest A or B instead.
//   - Edits are in helpful mode only. The paper's were (its online data has no red-teaming),
//     and in red-team mode it could not be said which way they count.
//   - A labeller's version continues the conversation where the edited response was
//     clicked; the paper does not say.
//   - Responses are shown complete, both at once, never streamed.
package feedback
