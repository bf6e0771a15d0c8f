package checkpoint

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/winnow-rerank/winnow/engine/internal/compute"
)

// pooling reads the configuration of a Pooling module, in the old form or the new one.
// prompted says whether texts may have a prompt, which some poolings leave out.
func (m *Module) pooling(hidden int, prompted bool) (compute.Pooling, error) {
	for _, name := range []string{"word_embedding_dimension", "embedding_dimension"} {
		if n, ok := m.Config.Int(name); m.Config.Has(name) && (!ok || n != int64(hidden)) {
			return 0, m.wrong(name, m.Config.Kind(name), strconv.Itoa(hidden))
		}
	}
	if include, ok := m.Config.Bool("include_prompt"); ok && !include && prompted {
		return 0, m.refuse("pooling without the prompt (include_prompt false)", "")
	}
	var modes []string
	if m.Config.Has("pooling_mode") {
		var ok bool
		if modes, ok = m.Config.Texts("pooling_mode"); !ok {
			return 0, m.wrong("pooling_mode", m.Config.Kind("pooling_mode"), "a name")
		}
	} else {
		for _, mode := range []struct{ key, name string }{{"cls_token", "cls"}, {"max_tokens", "max"}, {"mean_tokens", "mean"},
			{"mean_sqrt_len_tokens", "mean_sqrt_len_tokens"}, {"weightedmean_tokens", "weightedmean"}, {"lasttoken", "lasttoken"}} {
			if on, _ := m.Config.Bool("pooling_mode_" + mode.key); on {
				modes = append(modes, mode.name)
			}
		}
		if modes == nil {
			modes = []string{"mean"}
		}
	}
	if p, ok := joinedPooling(modes); ok {
		return p, nil
	}
	return 0, m.refuse("pooling by "+Abridge(strings.Join(modes, " and ")), "winnow supports cls, mean, lasttoken, max, weightedmean and mean_sqrt_len_tokens")
}

// joinedPooling is the pooling that joins the kinds of these names.
func joinedPooling(names []string) (how compute.Pooling, ok bool) {
	kinds := make([]compute.Pooling, len(names))
	for i, name := range names {
		if kinds[i], ok = poolings[name]; !ok {
			return compute.PoolNone, false
		}
	}
	how, ok = compute.JoinPoolings(kinds)
	return how, ok && len(names) > 0
}

// truncate reads how many dimensions of each vector are kept.
func (c *Chain) truncate(f *File) error {
	c.Kept = c.Width
	if f.IsGGUF() {
		c.Kept = f.Int(keyDimensions, 1, c.Width, c.Width)
		return f.err
	}
	if f.ChainScores(c) || c.Pooling == compute.PoolNone {
		return nil
	}
	s := f.Sentence.Settings
	n, ok := s.Int(truncateDim)
	if s.Has(truncateDim) && (!ok || n < 1) {
		return f.Sentence.wrong(truncateDim, s.Kind(truncateDim), "a whole number above 0")
	}
	if ok && n < int64(c.Width) {
		c.Kept = int(n)
		if c.Unit { // a truncated unit vector is shorter than 1
			c.Steps, c.Unit = append(c.Steps, Step{inputs: c.Width, outputs: c.Width, normalize: true}), false
			c.words = append(c.words, "length 1")
		}
		c.words = append(c.words, fmt.Sprintf("the first %d", n))
	}
	return nil
}

// truncateDim is the number of vector dimensions that sentence-transformers keeps.
const truncateDim = "truncate_dim"

// poolings are sentence-transformers' names.
var poolings = map[string]compute.Pooling{
	"cls": compute.PoolFirst, "mean": compute.PoolMean, "lasttoken": compute.PoolLast, "max": compute.PoolMax,
	"weightedmean": compute.PoolWeighted, "mean_sqrt_len_tokens": compute.PoolRoot,
}

// outputName is the name of the module's output, given its input's name at. Modules
// that read or write anything else are refused.
func (m *Module) outputName(at string) (string, error) {
	const input, output = "module_input_name", "module_output_name"
	if name, ok := m.Config.String(input); ok && name != at {
		return "", m.wrong(input, m.Config.Kind(input), strconv.Quote(at)+", written by the preceding module")
	}
	name, ok := m.Config.String(output)
	if ok && name != at && name != scoreOutput {
		return "", m.wrong(output, m.Config.Kind(output), strconv.Quote(at)+", the final output")
	}
	if !ok {
		name = at
	}
	return name, nil
}
