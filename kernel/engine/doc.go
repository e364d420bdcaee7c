// Package engine serves an rlhf.Lab to the cells of notebooks: HTTP and JSON
// over a unix socket, as the Docker Engine does. GoNB starts a process for every
// cell, so models, optimiser state and compiled programs live here, in a process
// that outlives the cells; package kernel/lab is the client.
//
//	err := engine.Serve(ctx, engine.Options{Socket: path, Lab: lab})
//
// It serves any Lab: a program that wraps one, or brings its own, may call Serve
// in place of the stock engine; package own does it for algorithms and losses. It
// executes no code that it is sent.
//
// # Calls
//
//	GET    /v1/version                  protocol, build, pid, what the protocol consists of
//	GET    /v1/status                   rlhf.Status
//	GET    /v1/runs                     []rlhf.RunInfo, oldest first
//	GET    /v1/runs/{name}              rlhf.RunInfo
//	GET    /v1/runs/{name}/history      []rlhf.Point
//	GET    /v1/runs/{name}/watch        what it has done and does     stream
//	POST   /v1/runs/{name}/stop         ends the calls on it at the next step boundary
//	GET    /v1/runs/{name}/written      []rlhf.Sample, ?last=n: the newest n
//	DELETE /v1/runs/{name}              deletes the run               device
//	POST   /v1/{kind}/{name}            makes or opens a run from its configuration  device
//	GET    /v1/{kind}/{name}            checks that a run exists and is of the kind
//	POST   /v1/{kind}/{name}/steps      n more steps                  device, stream
//	POST   /v1/{kind}/{name}/train      to the planned number         device, stream
//	POST   /v1/{lm,ppo}/{name}/sample                                 device
//	POST   /v1/{lm,pm}/{name}/evaluate                                device
//	POST   /v1/{lm,pm}/{name}/evaluate-on  on other data              device
//	POST   /v1/lm/{name}/logp           log p of responses            device
//	POST   /v1/lm/{name}/predict        pieces of text → []rlhf.Prediction  device
//	POST   /v1/{lm,pm}/{name}/activations  of texts, by layer         device
//	POST   /v1/lm/{name}/read           text → []rlhf.Token           device
//	POST   /v1/lm/{name}/stream         a response piece by piece     device, stream
//	POST   /v1/lm/{name}/chat           the same by a chat template   device, stream
//	POST   /v1/pm/{name}/score                                        device
//	POST   /v1/pm/{name}/comparisons                                  device
//	POST   /v1/pm/{name}/best-of        k responses a prompt → []rlhf.Choice  device
//	POST   /v1/ppo/{name}/rollout       → rlhf.Batch                  device
//	POST   /v1/ppo/{name}/score         batch → batch                 device
//	POST   /v1/ppo/{name}/shape         batch → batch                 device
//	POST   /v1/ppo/{name}/advantages    batch → batch                 device
//	POST   /v1/ppo/{name}/update        batch → rlhf.Point            device
//	POST   /v1/ppo/{name}/compare                                     device
//	POST   /v1/ppo/{name}/snapshot      → rlhf.RunInfo of the copy    device
//	GET    /v1/calls/{id}               behind what the call waits
//	DELETE /v1/calls/{id}               ends the call at the next step boundary
//
// where kind is lm, pm or ppo; runs that POST /v1/distill/{name} and
// POST /v1/direct/{name} make are of these kinds and answer to the calls of lm. By hand:
//
//	curl --unix-socket "$RLHF_ENGINE_SOCK" http://engine/v1/status
//
// Device calls run one at a time, first come first served; a stretch of steps is
// one call. All others never wait for the device; a watch waits for news of its run, of
// which the cells of other notebooks are the source. wire.Routes lists the calls with their bodies and replies, and
// the fingerprint of the protocol is made of that list. A stream is one JSON object a line: an
// rlhf.Event, or in the last line "end", or the "error" that was in the way. A
// stream without either was cut off. Training does not wait for whoever reads it.
//
// # Who may call
//
// The user of the process, and nobody else: see package socket for the four bars. Here
// is the third of them: each connection's user is asked of the system (SO_PEERCRED),
// and another's calls are answered with an error of kind "forbidden" and logged.
//
// # Ends
//
// A call ends at the next step boundary when it is deleted, when its connection
// drops (an interrupted, crashed or killed cell), or when the engine shuts down;
// the run is then as if it had been asked for that many steps. A panic in a call
// is logged with its stack and returned as an error, and the engine lives on.
//
// # What a Lab must do
//
// The engine calls the reads (Runs, History, Status) at any time, also during a
// device call, and never two device calls at once. It keeps no run open: each call
// reopens its run by name, so OpenLM, OpenPM and OpenPPO should be cheap for a
// run whose model is in memory. Text in replies is valid UTF-8.
package engine
