package proxy

// A job is what may take time: it is done off the proxy's loop, which goes on with then, if
// there is one.
type job struct {
	do   func() error
	then func(error)
}

// work has a job done after those before it. Those with a then are at most as many as there
// are widgets, so that the loop and the worker cannot both wait for room with each other.
func (p *Proxy) work(do func() error, then func(error)) { p.jobs <- job{do, then} }

// worker does the jobs until there will be no more.
func (p *Proxy) worker(done chan<- struct{}) {
	defer close(done)
	for j := range p.jobs {
		err := j.do()
		if j.then == nil {
			if err != nil {
				p.o.Log.Print(err)
			}
			continue
		}
		p.events <- event{from: ownWork, do: func() { j.then(err) }}
	}
}

// finishJobs waits, after the end of the loop, for what the worker has still to do.
func (p *Proxy) finishJobs(done <-chan struct{}) {
	close(p.jobs)
	for {
		select {
		case <-done:
			return
		case <-p.events: // nobody goes on with anything
		}
	}
}
