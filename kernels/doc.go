// Package kernels holds what a CPU does for a transformer: matrix products with
// packed weights, attention, norms and activations.
//
// Each kernel has a plain Go version that is its definition. Assembly for the
// instruction sets of amd64 and arm64 is chosen when the program starts (see Rung)
// and is tested against the definition. The build tag purego leaves all assembly
// out.
//
// The package knows nothing of models: it is given rows of numbers.
//
// # To add an instruction set
//
// SVE, AVX10 or RVV would come in like this; every step builds and passes the tests
// by itself, and nothing outside of the package changes.
//
//  1. Add a row to the table in cpu_<arch>.go (for a new architecture, write that
//     file and take the architecture out of the build constraint of each _noasm
//     file): the name that WINNOW_KERNELS will call it by, a has function that asks
//     the processor, and the operating system where registers must be asked for, and
//     a use function that sets a feature of its own. The rung is then listed by
//     winnow version --rungs, and runs what the rungs before it run.
//  2. Take one family of kernels at a time, and write down in use what it replaces.
//     For matrix products that is a shape: how many rows and columns of the output
//     stay in registers, and how weights are packed for it. floatShape is for
//     float32 and 16-bit weights (attention takes the same), intShape for bytes. The
//     other families (norms, softmax, activations, rotation, packing, quantisation)
//     ask for the feature in their <family>_<arch>.go.
//  3. Write the assembly to its specification, which stands beside the Go
//     declaration as a loop of pseudo-code (floatTile, intTile, blockTile,
//     attentionTile). A micro-kernel gets a pointer to one struct, checks nothing,
//     and may neither read nor write beyond what the specification says: the tests
//     put guard pages around every buffer. Instructions that Go's assembler does not
//     know are macros of bytes, with the mnemonic in their name.
//  4. Keep the order of sums. Each output is one chain over its inputs, in their
//     order, whatever the height of the tile and wherever it falls: so the same pair
//     gets the same bits in any batch. Integer kernels give the definition's bits;
//     float kernels may round once where the definition rounds twice.
//  5. Run the tests. They take every rung of the machine; an emulator serves for the
//     others (CONTRIBUTING.md has the commands). New shapes that exceed an array of
//     the generic code are caught by TestInstructionSets.
//  6. Add the loop that keeps all multipliers busy to internal/peak, so that the
//     benchmarks and winnow bench know what the machine could do, and tune until
//     BenchmarkGemmFloat and BenchmarkGemmInt stand where they should beside it.
//     llvm-mca says what an inner loop costs on a processor that is not at hand.
//  7. Say in ARCHITECTURE.md that it is there, and let .ci/run take the rung.
//
// A file is named after its family and its architecture. _asm holds what amd64 and arm64
// share, _noasm what an architecture without assembly for it does, _other what an
// operating system without some service does.
package kernels
