package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/winnow-rerank/winnow"
	"github.com/winnow-rerank/winnow/hub"
	"github.com/winnow-rerank/winnow/models"
	"github.com/winnow-rerank/winnow/server"
)

// A servedModel is a model named by the flags. Its own name may be "".
type servedModel struct{ name, path string }

// models returns the models named by the flags, or the built-in one.
func (c *serveCommand) models() ([]servedModel, error) {
	var list []servedModel
	for _, m := range c.Model {
		list = append(list, splitAlias(m))
	}
	if c.HFRepo != "" {
		ref := c.HFRepo
		if c.HFFile != "" {
			repo, _, _ := strings.Cut(ref, ":")
			ref = repo + ":" + c.HFFile
		}
		if _, ok := hub.ParseRef(ref); !ok {
			return nil, usagef("--hf-repo is %q: expected a repository such as BAAI/bge-reranker-v2-m3", ref)
		}
		list = append(list, servedModel{"", "hf.co/" + ref}) // never a local path
	} else if c.HFFile != "" {
		return nil, usagef("--hf-file needs --hf-repo")
	}
	if c.ModelsDir != "" {
		entries, err := os.ReadDir(c.ModelsDir)
		if err != nil {
			return nil, err
		}
		for _, e := range entries {
			path := filepath.Join(c.ModelsDir, e.Name())
			if isModel(path, e.IsDir()) {
				list = append(list, servedModel{"", path})
			}
		}
		if len(list) == 0 {
			return nil, fmt.Errorf("%s: no models", c.ModelsDir)
		}
	}
	if len(list) == 0 {
		if models.Default() == nil {
			return nil, usagef("this build of winnow has no built-in model: choose one with --model")
		}
		list = append(list, servedModel{})
	}
	return list, nil
}

// specs describes the models to the server.
func (c *serveCommand) specs(env *environment, log *slog.Logger) ([]server.ModelSpec, error) {
	list, err := c.models()
	if err != nil {
		return nil, err
	}
	source := hubSource(env, c.Offline, c.HFToken)
	flags := modelFlags{Threads: c.Threads, Precision: c.Precision, MaxLength: c.MaxLength, BatchTokens: c.BatchTokens, causalFlags: c.causalFlags}
	if c.CtxSize > 0 && (flags.MaxLength == 0 || c.CtxSize < flags.MaxLength) {
		flags.MaxLength = c.CtxSize
	}
	options, err := flags.options()
	if err != nil {
		return nil, err
	}
	template, err := c.chatTemplate(log)
	if err != nil {
		return nil, err
	}
	options = append(options, winnow.WithPause(server.Pause()), winnow.WithChatTemplate(template))
	if c.Pooling != "none" && c.Pooling != "rank" {
		options = append(options, winnow.WithPooling(c.Pooling))
	}
	var specs []server.ModelSpec
	taken := make(map[string]bool)
	for i, m := range list {
		spec := server.ModelSpec{Name: m.name, Path: m.path, Load: func(ctx context.Context) (server.Model, error) {
			return openModel(ctx, m.path, source, options)
		}}
		switch {
		case i == 0 && len(c.Alias) > 0:
			// The id is the alphabetically first alias, as in llama.cpp.
			spec.Aliases = slices.Clone(c.Alias)
			if m.name != "" {
				spec.Aliases = append(spec.Aliases, m.name)
			}
			slices.Sort(spec.Aliases)
			spec.Aliases = slices.Compact(spec.Aliases)
			spec.Name = spec.Aliases[0]
		case m.name != "":
		case m.path == "":
			spec.Name = models.Name
		default:
			spec.Name = nameOf(m.path)
			for n := 2; taken[spec.Name]; n++ {
				spec.Name = nameOf(m.path) + "-" + strconv.Itoa(n)
			}
		}
		if m.path == "" {
			spec.Path = models.Name + ".gguf"
		}
		if i == 0 {
			spec.Tags = c.Tags
		}
		taken[spec.Name] = true
		specs = append(specs, spec)
	}
	return specs, nil
}

// chatTemplate returns the chat template given by the flags, or "".
func (c *serveCommand) chatTemplate(log *slog.Logger) (string, error) {
	if c.ChatTemplateFile != "" {
		data, err := os.ReadFile(c.ChatTemplateFile)
		if err != nil {
			return "", fmt.Errorf("--chat-template-file: %w", err)
		}
		return string(data), nil
	}
	if t := c.ChatTemplate; t != "" && !strings.Contains(t, "{{") && !strings.Contains(t, "{%") {
		log.Warn("flag has no effect: template names are not supported; using the model's own template", "flag", "--chat-template")
		return "", nil
	}
	return c.ChatTemplate, nil
}

// splitAlias parses ALIAS=PATH; a path may also contain "=".
func splitAlias(s string) (m servedModel) {
	m.path = s
	name, path, ok := strings.Cut(s, "=")
	if !ok || name == "" || strings.ContainsAny(name, `/\`) {
		return m
	}
	if _, err := os.Stat(s); err == nil || !errors.Is(err, os.ErrNotExist) {
		return m
	}
	m.name, m.path = name, path
	return m
}

// nameOf returns the default name of a model: its hub id, or its file's name.
func nameOf(path string) string {
	if _, err := os.Stat(path); err != nil {
		if ref, ok := hub.ParseRef(path); ok {
			return ref.Repo
		}
	}
	return baseName(path)
}

func isModel(path string, dir bool) bool {
	if !dir {
		name := strings.ToLower(filepath.Base(path))
		// The first part of a split file stands for all parts.
		return strings.HasSuffix(name, ".gguf") && (!strings.Contains(name, "-of-") || strings.Contains(name, "-00001-of-"))
	}
	_, err := os.Stat(filepath.Join(path, "config.json"))
	return err == nil
}
