//go:build !unix

package modeldir

import "errors"

func mkfifo(string) error { return errors.ErrUnsupported }
