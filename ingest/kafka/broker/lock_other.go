//go:build !unix

package broker

import (
	"errors"
	"io/fs"
	"os"
)

// lock is a file that exists as long as the broker runs.
type lock struct {
	file *os.File
	path string
}

func acquire(path string) (*lock, error) {
	// Windows refuses to remove a file that another process has open, so what a crash left behind can go.
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, errLocked
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	return &lock{f, path}, nil
}

func (l *lock) release() {
	if l != nil {
		_ = l.file.Close()
		_ = os.Remove(l.path)
	}
}
