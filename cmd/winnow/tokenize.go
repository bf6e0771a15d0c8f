package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"text/tabwriter"

	"github.com/winnow-rerank/winnow"
)

type tokenizeCommand struct {
	modelFlags `embed:""`

	Text string  `arg:"" help:"Text, or the query of a pair."`
	Pair *string `arg:"" optional:"" help:"Document of the pair."`

	JSON bool `name:"json" help:"Print JSON."`
	Bare bool `help:"Omit the special tokens around the text."`
}

func (c *tokenizeCommand) Run(env *environment) error {
	model, err := c.open(env)
	if err != nil {
		return err
	}
	defer model.Close()
	var tokens []winnow.Token
	if c.Pair != nil {
		tokens, err = model.TokenizePair(c.Text, *c.Pair)
	} else {
		tokens, err = model.Tokenize(c.Text, !c.Bare)
	}
	if err != nil {
		return err
	}
	out := bufio.NewWriter(env.stdout)
	if c.JSON {
		e := json.NewEncoder(out)
		e.SetEscapeHTML(false)
		if tokens == nil {
			tokens = []winnow.Token{}
		}
		err = e.Encode(map[string]any{"tokens": tokens})
	} else {
		t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
		fmt.Fprintln(t, "id\ttype\tpiece")
		for _, token := range tokens {
			fmt.Fprintf(t, "%d\t%d\t%s\n", token.ID, token.Type, token.Piece)
		}
		err = t.Flush()
	}
	if err != nil {
		return err
	}
	return out.Flush()
}
