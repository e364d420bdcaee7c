// Package lab connects a notebook's cells to the engine that holds the models.
// A [Session] is an rlhf.Lab: whatever works with the lab of a process works
// with one. It links no tensor library, so a cell that imports it builds in well
// under a second.
//
//	var s = lab.Attach()
//
//	%%
//	run := lab.Must(s.PPO("ppo-1", rlhf.PPO{Policy: "lm", PM: "pm"}))
//	for ev, err := range run.Steps(50) {
//		lab.Check(err)
//		fmt.Println(ev.Step, ev.Point.Values["objective/score"])
//	}
//
// # Interrupts
//
// Interrupting the cell ends the call in progress at the next step boundary and
// returns an error that says at which step; [Must] and [Check] then end the
// cell. So does the end of a context given to With. The run is kept, and running
// the cell again goes on. Breaking off the loop over Steps or Train waits until
// the step in progress is done.
//
// # Two notebooks, one engine
//
// A cell uses the engine of another notebook, or one that was started by hand, by its
// name (rlhf ps lists them), its process id or the path of its socket:
//
//	var s = lab.At("09_ppo_run")
//
// or every notebook of a JupyterLab does: rlhf lab -engine NAME. Calls for the device take
// turns, reads never wait, and the engine ends with the kernel that started it, which the other's calls
// then say. Looking on while another cell trains, here or there:
//
//	show.Live(s.Watch("ppo-1"))            // what it has done, then what it does
//	show.Status(lab.Must(s.Status()))      // who has the device, who waits
//
// An interrupt ends the watching and not the training; [Session.Stop] and rlhf stop end
// the training, at a step boundary.
//
// # What differs from the lab of a process
//
// Training does not wait for the loop that reads its events: while the loop's
// body draws a picture, the engine goes on, and a break stops at the step then in
// progress. A rule that must stop at an exact step asks for one step at a time:
//
//	for range 100 {
//		for ev, err := range run.Steps(1) { ... }
//	}
//
// A batch travels to the engine and back in each phase of a PPO step; its
// numbers arrive bit for bit.
//
// # Errors
//
// What the engine's lab returns arrives with its text unchanged, as an [*Error].
// An error wraps [ErrNoEngine] if there is no engine to answer, and
// context.Canceled or context.DeadlineExceeded if the call was ended.
package lab
