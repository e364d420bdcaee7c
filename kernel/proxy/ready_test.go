package proxy_test

import (
	"testing"
	"time"

	"hhrlhf/kernel/proxy/proxytest"
)

// A kernel_info_reply means that gonb is ready, and a completion asked for while it
// starts is answered when it has started: not before, with nothing.
func TestNotBeforeReady(t *testing.T) {
	k, g := startHushed(t, 3)
	if g.idles.Load() == 0 {
		t.Error("kernel_info_reply before gonb's first idle status")
	}
	old := g.exited
	g.exited = make(chan struct{})
	g.hushed.Store(2)
	before := g.idles.Load()
	starts := g.starts.Load()
	close(old)
	for g.starts.Load() == starts {
		time.Sleep(time.Millisecond)
	}
	k.Ask(proxytest.Shell, "complete_request", map[string]any{"code": "x", "cursor_pos": 1}, "complete_reply")
	if g.idles.Load() == before {
		t.Error("complete_reply while gonb starts")
	}
}

// An answer that a program gives at once reaches the cell, though gonb would lose it.
func TestAnswerAtOnce(t *testing.T) {
	k, g := startProxy(t)
	id := k.Send(proxytest.Shell, "execute_request", proxytest.Cell(fakeCell{Ask: true}.code()))
	q, _ := k.Question(time.Minute)
	if g.ready.Load() {
		t.Skip("the question took this machine so long that any answer is in time")
	}
	k.Answer(q, "B")
	if r := k.Result(id, 10*time.Second); r.Status != "ok" {
		t.Errorf("the answer was lost: %+v", r)
	}
}
