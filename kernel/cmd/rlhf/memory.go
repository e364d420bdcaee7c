package main

import (
	"fmt"
	"io"

	"hhrlhf/rlhf/memory"
)

// demand refuses work that needs more memory than is free, unless force is set;
// then it only warns. what names the work and cure what to do about it.
func demand(w io.Writer, what string, need int64, cure string, force bool) error {
	free, known := memory.Free("/")
	if !known || need <= free {
		return nil
	}
	text := fmt.Sprintf("%s needs about %s of memory, %s are free", what, memory.Text(need), memory.Text(free))
	if force {
		fmt.Fprintf(w, "%s; going on because of -force\n", text)
		return nil
	}
	return fmt.Errorf("%s; %s, end other programs, or try all the same with -force", text, cure)
}
