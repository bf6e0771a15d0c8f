package compute

// ActivationBytes bounds the working memory of the given workers, each of which takes
// up to tokens tokens through a network of these sizes: the hidden states, queries,
// keys, values and attention output of all tokens, and the intermediate states and a
// product's input of one block.
func ActivationBytes(workers, tokens, hidden, intermediate int) int64 {
	floats := 5*tokens*hidden + min(tokens, blockRows)*2*max(intermediate, hidden)
	return int64(workers) * int64(floats) * 4
}
