//go:build !unix

package main

import "io"

// terminalSize returns 0: what is written is written as to a file.
func terminalSize(io.Writer) (columns, rows int) { return 0, 0 }
