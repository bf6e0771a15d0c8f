package engine

import (
	"fmt"

	"github.com/winnow-rerank/winnow/engine/internal/compute"
	"github.com/winnow-rerank/winnow/tokenizer"
)

// calibrationTexts are the query and document pairs used for calibration: enough tokens
// to show the outlier channels of every layer, and few enough to take negligible time.
var calibrationTexts = [...][2]string{
	{"how do vaccines work", "A vaccine shows the immune system a harmless piece of a virus, so that it remembers it."},
	{"capital of Australia 1927", "Parliament moved from Melbourne to Canberra on 9 May 1927; Sydney is larger (5.3 million)."},
	{"read a file line by line in Python", "with open(path) as f: for line in f: print(line.rstrip()) # closes the file itself"},
	{"Wie wird das Wetter morgen?", "Demain il fera froid. El tren sale a las ocho. 天気はどうですか"},
}

// calibrationTokens is the maximum number of tokens of a pair.
const calibrationTokens = 32

// calibrate chooses how matrices with 8-bit weights are multiplied.
func (b *backbone) calibrate() (compute.Calibration, error) {
	texts := make([]Sequence, len(calibrationTexts))
	for i, t := range calibrationTexts {
		var err error
		if texts[i], err = b.calibrationText(t[0], t[1]); err != nil {
			return compute.Calibration{}, fmt.Errorf("%s: %w", b.path, err)
		}
	}
	return b.runner.Calibrate(b.network.Spec.Layers, func(c *compute.Context) {
		for i, s := range texts {
			c.Batch.Add(i, compute.Sequence{IDs: s.IDs, Types: s.Types}, compute.Prefix{})
		}
		b.network.Trunk.Hidden(c, b.network.Pooling.Want())
	})
}

// describeCalibration describes the choices of a calibration for Info.PrecisionReason.
func describeCalibration(c compute.Calibration) string {
	weights := ""
	if c.Rests > 0 {
		weights = fmt.Sprintf("weights of 16 bits in %d of %d matrices, ", c.Rests, c.Matrices)
	}
	return fmt.Sprintf("%sactivations of 8 bits, and of 16 or by parts where that lowers the error most, for %.1f %% more work", weights, 100*c.Extra)
}

// calibrationText encodes a query and a document in the form that the model expects.
func (b *backbone) calibrationText(query, document string) (Sequence, error) {
	queryTokens, err := b.tokenizer.PlainTokens(nil, query)
	if err != nil {
		return Sequence{}, err
	}
	documentTokens, err := b.tokenizer.PlainTokens(nil, document)
	if err != nil {
		return Sequence{}, err
	}
	maxTokens := min(calibrationTokens, b.maxLength)
	var e tokenizer.Encoding
	if b.tokenizer.Pair(&e, queryTokens, documentTokens, maxTokens, tokenizer.LongestFirst) == nil {
		return b.sequence(&e), nil
	}
	ids := append(queryTokens, documentTokens...)
	return Sequence{IDs: ids[:min(len(ids), maxTokens)]}, nil
}
