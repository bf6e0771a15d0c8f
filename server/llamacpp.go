package server

import (
	"context"
	"encoding/json"
	"net/http"
	"runtime"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/winnow-rerank/winnow"
)

// The routes of llama.cpp's server beside reranking.

// health answers GET /health: whether requests can be answered.
func (s *Server) health(w http.ResponseWriter, r *http.Request) error {
	if err := s.readiness(); err != nil {
		return err
	}
	return s.live(w, r)
}

// live answers GET /livez: whether the server runs at all, loading or stopping too.
func (s *Server) live(w http.ResponseWriter, _ *http.Request) error {
	writeJSON(w, http.StatusOK, map[string]string{"status": "ok"})
	return nil
}

// readiness is why no requests can be answered, if so.
func (s *Server) readiness() error {
	if s.stopping.Load() {
		return unavailable(time.Second, "the server is stopping")
	}
	if ok, err := s.registry.ready(); !ok {
		return errLoading(err)
	}
	return nil
}

type modelList struct {
	Models []modelEntry `json:"models"`
	Object string       `json:"object"`
	Data   []modelData  `json:"data"`
}

type modelEntry struct {
	Name         string       `json:"name"`
	Model        string       `json:"model"`
	ModifiedAt   string       `json:"modified_at"`
	Size         string       `json:"size"`
	Digest       string       `json:"digest"`
	Type         string       `json:"type"`
	Description  string       `json:"description"`
	Tags         []string     `json:"tags"`
	Capabilities []string     `json:"capabilities"`
	Parameters   string       `json:"parameters"`
	Details      modelDetails `json:"details"`
}

type modelDetails struct {
	ParentModel       string   `json:"parent_model"`
	Format            string   `json:"format"`
	Family            string   `json:"family"`
	Families          []string `json:"families"`
	ParameterSize     string   `json:"parameter_size"`
	QuantizationLevel string   `json:"quantization_level"`
}

type modelData struct {
	ID      string      `json:"id"`
	Aliases []string    `json:"aliases"`
	Tags    []string    `json:"tags"`
	Object  string      `json:"object"`
	Created int64       `json:"created"`
	OwnedBy string      `json:"owned_by"`
	Status  modelStatus `json:"status"`
	Meta    *modelMeta  `json:"meta"`
}

type modelStatus struct {
	Value string `json:"value"` // "loaded", "loading", "unloaded" or "failed"
	Error string `json:"error,omitempty"`
}

type modelMeta struct {
	VocabType int    `json:"vocab_type"`
	NVocab    int    `json:"n_vocab"`
	NCtx      int    `json:"n_ctx"`
	NCtxTrain int    `json:"n_ctx_train"`
	NEmbd     int    `json:"n_embd"`
	NParams   int64  `json:"n_params"`
	Size      int64  `json:"size"`
	FType     string `json:"ftype"`
}

// vocabTypes are llama.cpp's numbers of the kinds of vocabulary.
var vocabTypes = map[string]int{"SentencePiece": 1, "BPE": 2, "WordPiece": 3, "Unigram": 4}

// models answers GET /v1/models.
func (s *Server) models(w http.ResponseWriter, _ *http.Request) error {
	list := modelList{Models: []modelEntry{}, Object: "list", Data: []modelData{}}
	for _, m := range s.registry.status() {
		data := m.data()
		entry := modelEntry{Name: m.spec.Name, Model: m.spec.Name, Type: "model", Tags: data.Tags, Capabilities: []string{"rerank"}, Details: m.details()}
		if m.known {
			entry.Capabilities = m.info.Tasks
		}
		list.Models = append(list.Models, entry)
		list.Data = append(list.Data, data)
	}
	writeJSON(w, http.StatusOK, list)
	return nil
}

// model answers GET /v1/models/{id}.
func (s *Server) model(w http.ResponseWriter, r *http.Request) error {
	id := r.PathValue("id")
	slot, err := s.registry.find(id)
	if err != nil {
		return err
	}
	for _, m := range s.registry.status() {
		if m.spec.Name == slot.spec.Name {
			one := oneModel{modelData: m.data(), ModelName: m.spec.Name, ModelType: "rerank"}
			if slices.Contains(m.info.Tasks, "embed") {
				one.ModelType = "embedding"
			}
			writeJSON(w, http.StatusOK, one)
		}
	}
	return nil
}

// oneModel is a model with what Xinference's clients ask of it.
type oneModel struct {
	modelData
	ModelName string `json:"model_name"`
	ModelType string `json:"model_type"` // "rerank" or "embedding"
}

func (m *status) data() modelData {
	data := modelData{ID: m.spec.Name, Aliases: append([]string{}, m.spec.Aliases...), Tags: append([]string{}, m.spec.Tags...), Object: "model",
		OwnedBy: "winnow", Status: modelStatus{Value: m.state.String()}}
	if m.err != nil {
		data.Status.Error = m.err.Error()
	}
	if m.known {
		data.Created = m.loadedAt.Unix()
		data.Meta = &modelMeta{vocabTypes[m.info.Tokenizer], m.info.Vocabulary, m.info.MaxLength, m.info.MaxLength, m.info.Hidden,
			m.info.Parameters, m.info.FileBytes, string(m.info.Precision)}
	}
	return data
}

func (m *status) details() modelDetails {
	if !m.known {
		return modelDetails{Families: []string{}}
	}
	return modelDetails{Format: m.info.Format, Family: m.info.Architecture, Families: []string{}, QuantizationLevel: string(m.info.Precision)}
}

// firstModel is the default model as it is known.
func (s *Server) firstModel() (status, error) {
	st := s.registry.status()[0]
	if !st.known {
		return st, errLoading(st.err)
	}
	return st, nil
}

// props answers GET /props.
func (s *Server) props(w http.ResponseWriter, _ *http.Request) error {
	st, err := s.firstModel()
	if err != nil {
		return err
	}
	props := map[string]any{
		"default_generation_settings": map[string]any{"params": map[string]any{}, "n_ctx": st.info.MaxLength},
		"total_slots":                 s.options.SlotCount,
		"model_alias":                 st.spec.Name,
		"model_ftype":                 st.info.Precision,
		"model_path":                  st.spec.Path,
		"modalities":                  map[string]bool{"vision": false, "audio": false},
		"endpoint_slots":              s.options.Slots,
		"endpoint_props":              false,
		"endpoint_metrics":            s.options.Metrics,
		"webui":                       s.options.Page != nil,
		"chat_template":               st.info.ChatTemplate,
		"bos_token":                   st.info.BOS,
		"eos_token":                   st.info.EOS,
		"build_info":                  s.buildInfo(),
		"is_sleeping":                 false,
	}
	if st.info.Prompt != "" {
		props["rerank_prompt"] = map[string]string{"name": st.info.Prompt, "reason": st.info.PromptReason}
	}
	if len(st.info.UnreadSettings) > 0 {
		props["unread_settings"] = st.info.UnreadSettings
	}
	writeJSON(w, http.StatusOK, props)
	return nil
}

func (s *Server) buildInfo() string {
	info := "winnow " + s.options.Version
	if s.options.Commit != "" {
		info += " (" + s.options.Commit + ")"
	}
	return info + " " + runtime.Version()
}

// setProps answers POST /props as llama.cpp's server does without --props.
func (s *Server) setProps(http.ResponseWriter, *http.Request) error {
	return notSupported("this server does not support changing global properties")
}

type slotEntry struct {
	ID           int  `json:"id"`
	NCtx         int  `json:"n_ctx"`
	Speculative  bool `json:"speculative"`
	IsProcessing bool `json:"is_processing"`
}

// slots answers GET /slots. A reranker has none; llama.cpp's clients count the
// busy ones to see the load.
func (s *Server) slots(w http.ResponseWriter, r *http.Request) error {
	if !s.options.Slots {
		return notSupported("this server does not show slots. Start it with `--slots`")
	}
	st, err := s.firstModel()
	if err != nil {
		return err
	}
	busy := 0
	s.registry.schedulers(func(_ string, c *scheduler) {
		_, _, batches := c.load()
		busy += batches
	})
	if r.URL.Query().Has("fail_on_no_slot") && busy >= s.options.SlotCount {
		return unavailable(time.Second, "no slot available")
	}
	list := make([]slotEntry, s.options.SlotCount)
	for i := range list {
		list[i] = slotEntry{ID: i, NCtx: st.info.MaxLength, IsProcessing: i < busy}
	}
	writeJSON(w, http.StatusOK, list)
	return nil
}

type tokenPiece struct {
	ID    int `json:"id"`
	Piece any `json:"piece"`
}

// tokenize answers POST /tokenize.
func (s *Server) tokenize(w http.ResponseWriter, r *http.Request) error {
	var model, content string
	var special, pieces bool
	err := s.read(w, r, func(all fields) error {
		var ok bool
		if content, ok = jsonString(all["content"]); !ok {
			return all.wrong("content", "a string")
		}
		f := &reader{fields: all}
		special = f.boolean("add_special", false)
		f.boolean("parse_special", true)
		pieces = f.boolean("with_pieces", false)
		model = f.str("model")
		return f.err
	})
	if err != nil {
		return err
	}
	c, err := s.prepare(r, model, "", "")
	if err != nil {
		return err
	}
	defer c.close()
	var tokens []winnow.Token
	err = c.encode([]int{len(content)}, 0, 0, true, func(context.Context, int, int) (int, error) {
		var err error
		tokens, err = c.model.Tokenize(content, special)
		return len(tokens), err
	})
	if err != nil {
		return err
	}
	if !pieces {
		ids := make([]int, len(tokens))
		for i, t := range tokens {
			ids[i] = t.ID
		}
		writeJSON(w, http.StatusOK, map[string]any{"tokens": ids})
		return nil
	}
	list := make([]tokenPiece, len(tokens))
	for i, t := range tokens {
		list[i] = tokenPiece{t.ID, pieceOf(t.Piece)}
	}
	writeJSON(w, http.StatusOK, map[string]any{"tokens": list})
	return nil
}

// pieceOf is a piece as JSON has it: text, or an array of bytes where it is
// none.
func pieceOf(piece string) any {
	if utf8.ValidString(piece) {
		return piece
	}
	return byteList(piece)
}

// byteList is the bytes of a piece as JSON has them.
func byteList(piece string) []int {
	list := make([]int, len(piece))
	for i := range len(piece) {
		list[i] = int(piece[i])
	}
	return list
}

// maxTokens bounds the tokens of a request to /detokenize.
const maxTokens = 1 << 20

// detokenize answers POST /detokenize.
func (s *Server) detokenize(w http.ResponseWriter, r *http.Request) error {
	var c *call
	ids := []int{}
	err := s.read(w, r, func(f fields) (err error) {
		if c, err = s.named(r, f, "", ""); err != nil || string(f["tokens"]) == "[]" {
			return err
		}
		return f.list("tokens", maxTokens, "token ids", func(i int, raw json.RawMessage) error {
			id, err := c.token("tokens", i, raw)
			ids = append(ids, id)
			return err
		})
	})
	if c != nil {
		defer c.close()
	}
	if err != nil {
		return err
	}
	content, err := c.model.Detokenize(ids)
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, map[string]string{"content": content})
	return nil
}

// token is element i of a list of token ids.
func (c *call) token(name string, i int, raw json.RawMessage) (int, error) {
	id, err := strconv.Atoi(string(raw))
	if err != nil || id < 0 || id >= c.info.Vocabulary {
		return 0, invalid("%s[%d] is %s: expected a token id from 0 to %d", name, i, describe(raw), c.info.Vocabulary-1)
	}
	return id, nil
}
