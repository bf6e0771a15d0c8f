// Package engine is what a transformer is: it loads a model's weights, runs
// batches of token sequences through its layers and turns the last states into
// scores.
//
// A family (bert.go, xlmr.go) says which tensors it wants and how a layer is
// computed, in terms of a Compute; it knows nothing of instruction sets,
// goroutines or file formats. model.go maps architecture names to families.
package engine
