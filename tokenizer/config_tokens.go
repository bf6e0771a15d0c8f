package tokenizer

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/winnow-rerank/winnow/internal/fault"
)

// roles are the named special tokens, in the library's order.
var roles = []string{"bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"}

// A tokenValue is a token as written in a configuration.
type tokenValue struct {
	token addedToken
	bare  bool // a plain string without flags
	loose bool // normalized is unset: it is the opposite of special
	usual bool // a default of the class that no file names
}

// A usualToken is the spelling of a default token of a class.
type usualToken string

func (v tokenValue) added(special bool) addedToken {
	token := v.token
	token.special = token.special || special
	if v.bare || v.loose {
		token.normalized = !token.special
	}
	return token
}

// tokenValue reads a token: a string, or an object with the fields of an added token.
func (c *configuration) tokenValue(v any, field string) (_ tokenValue, ok bool) {
	switch v := v.(type) {
	case nil:
		return tokenValue{}, false
	case string:
		return tokenValue{token: addedToken{content: v}, bare: true}, true
	case usualToken:
		return tokenValue{token: addedToken{content: string(v)}, bare: true, usual: true}, true
	case map[string]any:
		_, said := v["normalized"].(bool)
		return tokenValue{loose: !said, token: addedToken{
			content:    c.l.str(v, field, "content"),
			singleWord: c.l.bool(v, field, "single_word", false),
			lstrip:     c.l.bool(v, field, "lstrip", false),
			rstrip:     c.l.bool(v, field, "rstrip", false),
			normalized: c.l.bool(v, field, "normalized", false),
			special:    c.l.bool(v, field, "special", false),
		}}, true
	}
	c.l.fail(field, describe(v), "a token")
	return tokenValue{}, false
}

// A tokenList is the tokens that a configuration adds to the model.
type tokenList struct {
	listed []addedToken          // added tokens in the order of their ids
	named  map[string]tokenValue // by role
	roles  []string              // in order
	extra  []tokenValue          // special tokens without a role
}

// tokens merges the added and special tokens of all files, as the library does. file
// are the added tokens of tokenizer.json.
func (c *configuration) tokens(file []addedToken) *tokenList {
	list := &tokenList{named: map[string]tokenValue{}, roles: slices.Concat(roles, c.args.own)}
	listed := map[int32]addedToken{}
	spelt := map[string]addedToken{}
	keep := func(token addedToken) { listed[token.id], spelt[token.content] = token, token }
	if decoder, ok := c.config["added_tokens_decoder"]; ok {
		for _, token := range c.addedTokensDecoder(decoder) {
			keep(token)
		}
	} else {
		c.addedTokens(keep)
		for _, token := range file {
			keep(token)
		}
	}
	for _, id := range slices.Sorted(maps.Keys(listed)) {
		list.listed = append(list.listed, listed[id])
	}
	for _, role := range list.roles {
		v, ok := c.named(role)
		if !ok {
			continue
		}
		if token, ok := spelt[v.token.content]; ok && c.args.values[role] != nil && !isOwnRole(role) {
			token.id = 0
			v = tokenValue{token: token}
		}
		list.named[role] = v
	}
	for i, v := range c.args.extra {
		if v, ok := c.tokenValue(v, fmt.Sprintf("extra_special_tokens[%d]", i)); ok {
			list.extra = append(list.extra, v)
		}
	}
	return list
}

// named returns the token of a role: the configured one or the default of the class.
func (c *configuration) named(role string) (tokenValue, bool) {
	written, ok := c.args.values[role]
	if usual, has := c.class.defaults[role]; has && !ok {
		written, ok = usualToken(usual), true
	}
	if ok {
		v, ok := c.tokenValue(written, role)
		v.token.lstrip = v.token.lstrip || v.bare && role == "mask_token" && c.class.maskStrips
		if v.bare && role == "unk_token" && c.class.unknownNormal && !c.whole {
			v.bare, v.loose = false, false
			v.token.special, v.token.normalized = true, true
		}
		return v, ok
	}
	if c.class == asIs && !c.whole { // a tokenizer made from a vocabulary alone
		switch role {
		case "bos_token":
			return c.tokenValue(usualToken("<s>"), role)
		case "eos_token":
			return c.tokenValue(usualToken("</s>"), role)
		}
	}
	return tokenValue{}, false
}

// spelling returns the token of a role. For a removed role it is "None", as in Python.
func (c *configuration) spelling(role string) string {
	if v, ok := c.named(role); ok {
		return v.token.content
	}
	return "None"
}

// addedTokensDecoder reads the added tokens listed in tokenizer_config.json.
func (c *configuration) addedTokensDecoder(v any) []addedToken {
	const field = "added_tokens_decoder"
	object, ok := v.(map[string]any)
	if !ok {
		c.l.fail(field, describe(v), "an object")
	}
	var tokens []addedToken
	for id, v := range object {
		m, ok := v.(map[string]any)
		n, err := strconv.ParseInt(id, 10, 32)
		if !ok || err != nil || n < 0 {
			c.l.fail(field+"."+id, describe(v), "a token with its id")
			return nil
		}
		value, _ := c.tokenValue(m, field+"."+id)
		token := value.added(false)
		token.id = int32(n)
		token.normalized = token.normalized && !c.rawTokens
		tokens = append(tokens, token)
	}
	return tokens
}

// addedTokens reads added_tokens.json. Tokens that have a role are special.
func (c *configuration) addedTokens(keep func(addedToken)) {
	special := map[string]bool{}
	for _, role := range roles {
		if v, ok := c.tokenValue(c.args.values[role], role); ok {
			special[v.token.content] = true
		}
	}
	for _, v := range c.args.extra {
		if v, ok := c.tokenValue(v, "extra_special_tokens"); ok {
			special[v.token.content] = true
		}
	}
	for content, v := range c.added {
		id, ok := tokenID(v)
		if !ok {
			c.l.keep(&fault.FormatError{Path: filepath.Join(filepath.Dir(c.l.path), addedFile), Field: content, Offset: -1,
				Found: describe(v), Want: "a token id"})
			return
		}
		keep(addedToken{content: content, id: id, special: special[content], normalized: !special[content]})
	}
}

// missing returns the tokens of l that t lacks. If there is a tokenizer.json (whole),
// defaults of the class that are not in it are unused, because the model has no rows
// for them.
func (l *tokenList) missing(t *Tokenizer, whole bool) []addedToken {
	a := &t.added
	present := map[string]bool{}
	for _, token := range a.list {
		present[token.content] = true
	}
	named := map[string]bool{}
	for _, v := range l.named {
		named[v.token.content] = true
	}
	var values []tokenValue
	for _, token := range l.listed {
		if i, ok := a.byName[token.content]; ok && a.list[i].alike(token) {
			continue
		}
		token.id = 0
		values = append(values, tokenValue{token: token})
		present[token.content] = true
	}
	for _, v := range l.special() {
		if !present[v.token.content] && !slices.Contains(values, v) {
			values = append(values, v)
		}
	}
	tokens := make([]addedToken, len(values))
	for i, v := range values {
		tokens[i] = v.added(v.bare || named[v.token.content])
		_, listed := a.byName[v.token.content]
		tokens[i].configured = whole && !listed
		if v.usual && whole {
			_, ok := t.model.id(v.token.content)
			tokens[i].unused = !ok
		}
	}
	return tokens
}

// special returns all special tokens, those with a role first.
func (l *tokenList) special() []tokenValue {
	var values []tokenValue
	for _, role := range l.roles {
		if v, ok := l.named[role]; ok {
			values = append(values, v)
		}
	}
	return append(values, l.extra...)
}
