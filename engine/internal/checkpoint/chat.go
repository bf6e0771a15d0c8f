package checkpoint

import (
	"fmt"
	"path/filepath"
	"strings"

	"github.com/winnow-rerank/winnow/internal/fault"
)

// MessageFormat is the form in which a chat template expects message content.
type MessageFormat uint8

// The message formats.
const (
	NoMessages         MessageFormat = iota // the model is not given messages
	FlatMessages                            // content is a text
	StructuredMessages                      // content is a list of parts, each with its type
)

var messageFormats = [...]string{NoMessages: "none", FlatMessages: "flat", StructuredMessages: "structured"}

func (m MessageFormat) String() string { return messageFormats[m] }

// ParseMessageFormat reads "flat" or "structured".
func ParseMessageFormat(s string) (MessageFormat, error) {
	for m, name := range messageFormats {
		if s == name && m != int(NoMessages) {
			return MessageFormat(m), nil
		}
	}
	return NoMessages, fmt.Errorf("message format %q: expected flat or structured", Abridge(s))
}

// CrossEncoder reports whether the files are a CrossEncoder's, or have a chain of
// modules, which then define how a pair is read.
func (m *SentenceModel) CrossEncoder() bool {
	if m == nil {
		return false
	}
	return m.Kind() == "CrossEncoder" || len(m.Modules) > 0
}

// ChatTemplate is the model's chat template, or "".
func (f *File) ChatTemplate() (string, error) {
	if f.IsGGUF() {
		return f.String(Key{GGUF: "tokenizer.chat_template"}, ""), f.err
	}
	if text, err := f.FileText("chat_template.jinja"); text != "" || err != nil {
		return text, err
	}
	path := filepath.Join(f.Folder(), "tokenizer_config.json")
	config, err := ReadObject(path)
	if err != nil || !config.Has("chat_template") {
		return "", err
	}
	if text, ok := config.String("chat_template"); ok {
		return text, nil
	}
	// Several, one of which is called default.
	list, _ := config.value("chat_template").([]any)
	for _, e := range list {
		if o, ok := e.(map[string]any); ok && o["name"] == "default" {
			if text, ok := o["template"].(string); ok {
				return text, nil
			}
		}
	}
	return "", &fault.FormatError{Path: path, Field: "chat_template", Offset: -1, Found: config.Kind("chat_template"), Want: "a text, or a list with one whose name is default"}
}

// MessageFormat is the format of the messages that sentence-transformers gives the
// model, or NoMessages if it gives texts, according to sentence_bert_config.json. By
// default models saved by sentence-transformers get texts (older versions had nothing
// else), and other folders with a chat template get messages.
func (f *File) MessageFormat() (MessageFormat, error) {
	if f.IsGGUF() {
		if !f.Has(keyMessageFormat) {
			return NoMessages, f.err
		}
		return ParseMessageFormat(f.String(keyMessageFormat, ""))
	}
	template, err := f.ChatTemplate()
	if err != nil || template == "" {
		return NoMessages, err
	}
	format := "auto"
	if modalities := f.Sentence.Encoder.Object("modality_config"); modalities != nil {
		message := modalities.Object("message")
		if message == nil {
			return NoMessages, nil
		}
		if v, ok := message.String("format"); ok {
			format = v
		}
	} else if len(f.Sentence.Modules) > 0 {
		return NoMessages, nil
	}
	if format != "auto" {
		return ParseMessageFormat(format)
	}
	for _, sign := range []string{"content[0]", ".type", "'type'", `"type"`, "message.content["} {
		if strings.Contains(template, sign) {
			return StructuredMessages, nil
		}
	}
	return FlatMessages, nil
}

// TemplateVariables are the JSON values that sentence-transformers passes to the chat
// template in addition to the messages.
func (f *File) TemplateVariables() map[string]any {
	variables := make(map[string]any)
	o, err := f.templateVariables()
	if err != nil {
		return variables // only winnow writes them
	}
	for _, name := range o.Names() {
		variables[name] = o.value(name)
	}
	return variables
}

func (f *File) templateVariables() (*Object, error) {
	if !f.IsGGUF() {
		return f.Sentence.Encoder.Object("processing_kwargs").Object("chat_template"), nil
	}
	text := f.String(keyTemplateVariables, "")
	if text == "" {
		return nil, nil
	}
	return ParseObject(f.Path, []byte(text))
}

// keyTemplateVariables is a JSON object of them.
var keyTemplateVariables = Key{GGUF: ".rerank.template_variables"}

// ChatTemplate copies the chat template, if there is one.
func (e *Export) ChatTemplate() {
	text, err := e.file.ChatTemplate()
	if err != nil {
		e.fail(err)
	} else if text != "" {
		e.Set("tokenizer.chat_template", text)
	}
}

// Messages records that the model is given messages, and how its template is rendered:
// with these special token spellings.
func (e *Export) Messages(format MessageFormat, tokens map[string]string) {
	e.Set(keyMessageFormat.GGUF, format.String())
	variables := newObject("", make(map[string]any))
	for name := range tokenKeys {
		variables.members[name] = tokens[name] // "": not in the vocabulary
	}
	o, err := e.file.templateVariables()
	if err == nil {
		for _, name := range o.Names() {
			variables.members[name] = o.value(name)
		}
	}
	e.Set(keyTemplateVariables.GGUF, variables.JSON())
	e.ChatTemplate()
}

// keyMessageFormat is the format of the messages that tokenizer.chat_template renders.
var keyMessageFormat = Key{GGUF: ".rerank.message_format"}

// The keys of a reranking language model's answers.
var (
	keyYesToken = Key{GGUF: ".rerank.yes_token_id"}
	keyNoToken  = Key{GGUF: ".rerank.no_token_id"}
)

// LogitScore returns the tokens whose logits make up a language model's score, the
// second negative if there is only one; ok is false if the files do not say.
func (f *File) LogitScore() (yes, no int, ok bool, err error) {
	if !f.IsGGUF() {
		return f.Sentence.LogitScore()
	}
	yes, no = f.Int(keyYesToken, 0, MaxVocab, -1), f.Int(keyNoToken, 0, MaxVocab, -1)
	return yes, no, yes >= 0, f.err
}

// LogitScore writes the tokens of a score: "yes", or "no" and "yes".
func (e *Export) LogitScore(ids []int32) {
	e.Set(keyYesToken.GGUF, uint32(ids[len(ids)-1]))
	if len(ids) == 2 {
		e.Set(keyNoToken.GGUF, uint32(ids[0]))
	}
}
