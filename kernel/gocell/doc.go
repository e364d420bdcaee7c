// Package gocell reads the text of a notebook cell as gonb will: which lines are
// commands and which are Go, what the cell's last expression is, what a compile
// error in it means.
//
//   - [Compose] makes a Go file of a cell, for the Go tools.
//   - [Prepare] takes our own commands (%%time, %history, %doc, %clear) out of a
//     cell and has its last expression shown.
//   - [Explain] says in a sentence what a compile error means and what to do.
//
// Nothing here runs anything.
//
// # Cells
//
// A cell is Go declarations, and below a line %% (or %main) the statements of
// its main function. Lines that begin with % or ! are gonb's commands; one that
// ends with a backslash goes on in the next line. Each may stand behind //gonb:.
// A cell whose first line is %%bash, %%sh, %%script, %%writefile or %%gx holds no
// Go at all.
//
// # The last expression
//
// The value of the expression that a cell's main function ends in is shown, as a
// notebook's reader expects. The rule touches no program that compiles, lab.Must
// excepted, and a semicolon behind the expression switches it off:
//
//   - What Go refuses as a statement is shown: x, x.y, a[i], 6*7, "s", T{...},
//     len(x), string(b), []byte(s).
//   - lab.Must(...) is shown: it has exactly one value.
//   - Any other call is left alone, because Go lets a statement ignore what it
//     returns, and whether it returns one value, two or none is not in the text:
//     fmt.Println(x) must not print "2 <nil>". Assign it, and name the variable
//     in the last line: y := f(x), then y.
//   - So is a receive (<-ch), which is a statement already.
//
// A cell that is nothing but one expression needs no %%.
package gocell
