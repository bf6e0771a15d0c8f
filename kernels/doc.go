// Package kernels implements the CPU kernels of transformers: matrix products with packed
// weights, attention, norms and activations.
//
// Each kernel has a plain Go version that is its definition. Assembly for the instruction
// sets of amd64 and arm64 is chosen at program start (see Rung) and tested against the
// definition. The build tag purego excludes all assembly.
//
// The package knows nothing about models: it works on rows of numbers.
//
// # To add an instruction set
//
// These are the steps for SVE, AVX10 or RVV. Each builds and passes the tests, and nothing
// outside the package changes.
//
//  1. Add a row to the table in cpu_<arch>.go (for a new architecture, add that file and
//     exclude the architecture from the build constraint of each _noasm file): the name
//     for WINNOW_KERNELS, a has function that queries the processor, and the operating
//     system if registers must be requested, and a use function that sets a feature. The
//     rung is then listed by winnow version --rungs, and runs the kernels of the rungs
//     before it.
//  2. Add one family of kernels at a time, and set in use what it replaces. For matrix
//     products that is a shape: how many rows and columns of the output stay in
//     registers, and how weights are packed. floatShape is for float32 and 16-bit weights
//     and attention, intShape for bytes. The other families (norms, softmax, activations,
//     rotation, packing, quantisation) test for the feature in <family>_<arch>.go.
//  3. Write the assembly to its specification, a loop of pseudo-code at the Go
//     declaration (floatTile, intTile, blockTile, attentionTile). A micro-kernel gets a
//     pointer to one struct, checks nothing, and must neither read nor write beyond the
//     specification: the tests put guard pages around every buffer. Instructions unknown
//     to Go's assembler are macros of bytes, named after the mnemonic.
//  4. Keep the order of sums. Each output is one chain over its inputs, in order, for
//     any height and position of the tile: the same pair then gets the same bits in any
//     batch. Integer kernels return the definition's bits; float kernels may round once
//     where the definition rounds twice.
//  5. Run the tests. They cover every rung of the machine; use an emulator for the others
//     (CONTRIBUTING.md has the commands). TestInstructionSets catches shapes that exceed
//     an array of the generic code.
//  6. Add a loop that keeps all multipliers busy to internal/peak, so that the benchmarks
//     and winnow bench know the machine's limit, and tune BenchmarkGemmFloat and
//     BenchmarkGemmInt towards it. llvm-mca predicts the cost of an inner loop on other
//     processors.
//  7. Add the set to ARCHITECTURE.md and to the rungs that .ci/run tests.
//
// A file is named after its family and its architecture. _asm files hold what amd64 and
// arm64 share, _noasm files are for architectures without assembly for the family,
// _other files for operating systems without a service.
package kernels
