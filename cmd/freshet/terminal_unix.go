//go:build unix

package main

import (
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// terminalSize returns the size of the terminal that out writes to, and 0 where it writes to anything else.
func terminalSize(out io.Writer) (columns, rows int) {
	f, ok := out.(*os.File)
	if !ok {
		return 0, 0
	}
	size, err := unix.IoctlGetWinsize(int(f.Fd()), unix.TIOCGWINSZ) // a descriptor is a small number
	if err != nil {
		return 0, 0
	}
	if size.Col == 0 || size.Row == 0 {
		return 80, 24 // a terminal that does not know
	}
	return int(size.Col), int(size.Row)
}
