package engine

import (
	"fmt"
	"maps"
	"slices"

	"github.com/winnow-rerank/winnow/kernels"
)

// chain writes what follows the encoder: pooling, modules, and how texts are read.
func (c *converter) chain(n embedder, m *Model) error {
	f := c.file
	read := f.settings.read
	h := n.behind()
	if err := m.embeds(n, f); err != nil {
		return err
	}
	for i := firstStep; i < len(h.Steps); i++ {
		s := &h.Steps[i]
		key := fmt.Sprintf(".dense_%d_", i)
		if s.dense && s.activation != kernels.Identity {
			read[key+"activation"] = activationName(s.activation)
		}
		if s.add {
			read[key+"residual"] = true
		}
		if s.normalize {
			read[key+"normalize"] = true
		}
	}
	if !h.unit {
		read[keyUnit.gguf] = false
	}
	switch {
	case m.late != nil:
		read[keyPoolingType.gguf] = uint32(poolingNone)
		c.late(m.late)
		return nil
	case f.labels != nil: // its vectors are logits
		read[keyPoolingType.gguf] = uint32(poolingRank)
		if h.pooling == poolMax {
			return f.refuse("a conversion of a classifier behind maxima", "")
		}
		read[keyHeadPooling.gguf] = poolingNumber(h.pooling)
		read[keyOutputLabels.gguf] = f.labels
		return nil
	}
	read[keyPoolingType.gguf] = poolingNumber(h.pooling)
	if h.pooling == poolMax {
		read[keyPoolingName.gguf] = poolMaxName
	}
	v := m.vectors
	if len(v.prompts) > 0 {
		names := slices.Sorted(maps.Keys(v.prompts))
		texts := make([]string, len(names))
		for i, name := range names {
			texts[i] = v.prompts[name]
		}
		read[keyPromptNames.gguf], read[keyPromptTexts.gguf] = names, texts
	}
	if v.defaultPrompt != "" {
		read[keyPromptDefault.gguf] = v.defaultPrompt
	}
	if v.lower {
		read[keyLower.gguf] = true
	}
	return nil
}

// late writes the settings of late interaction.
func (c *converter) late(l *late) {
	read := c.file.settings.read
	for _, t := range []struct {
		keys lateKeys
		text lateText
	}{{keyLateQuery, l.query}, {keyLateDocument, l.document}} {
		read[t.keys.length.gguf] = uint32(t.text.length)
		if t.text.mark >= 0 {
			read[t.keys.mark.gguf] = uint32(t.text.mark)
		}
		if t.text.before && t.text.prefix != "" {
			read[t.keys.prefix.gguf] = t.text.prefix
		}
	}
	read[keyLateExpand.gguf], read[keyLateAttend.gguf] = l.expand, l.attend
	read[keyLateSkip.gguf] = slices.Sorted(maps.Keys(l.skip))
}
