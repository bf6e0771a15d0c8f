//go:build !unix

package main

import "time"

var started = time.Now()

// processorTime is the time that has passed, where the processor's is not known.
func processorTime() time.Duration { return time.Since(started) }
