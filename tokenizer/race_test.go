//go:build race

package tokenizer

// raceEnabled: the race detector makes sync.Pool drop things at random.
const raceEnabled = true
