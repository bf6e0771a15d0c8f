package server

import (
	"net/http"
	"runtime"
	"slices"
	"time"
)

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

// vocabTypes maps kinds of vocabulary to llama.cpp's numbers.
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

// A oneModel is a model with the members that Xinference's clients read.
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

// firstModel returns the status of the default model, or an error if it was never loaded.
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

// slots answers GET /slots. A reranker has no slots; llama.cpp's clients count the busy
// ones to measure the load.
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
