package records

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// A Document is a text that may have a name.
type Document struct {
	ID   string // "" if it has none
	Text string
}

// DocumentOptions say where documents have their text and their id.
type DocumentOptions struct {
	Format     Format
	TextColumn string                            // "": text, or another of the usual names
	IDColumn   string                            // "": id, or another of the usual names
	Stdin      io.Reader                         // what the name "-" means
	LeftOut    func(file string, because string) // hears of files in a folder that are no text; may be nil
}

// The names by which files usually call things, best first.
var (
	TextNames  = []string{"text", "document", "content", "contents", "passage", "body"}
	IDNames    = []string{"id", "_id", "doc_id", "docid", "document_id", "corpus-id", "pid"}
	QueryNames = []string{"query", "question", "text_1"}
)

// Columns of documents: the text, and the id if there is one.
func (o DocumentOptions) columns() []Column {
	text := Column{Name: "text", Names: TextNames}
	if o.TextColumn != "" {
		text = Column{Name: o.TextColumn, Names: []string{o.TextColumn}}
	}
	id := Column{Name: "id", Names: IDNames, Optional: true, Number: true}
	if o.IDColumn != "" {
		id = Column{Name: o.IDColumn, Names: []string{o.IDColumn}, Number: true}
	}
	return []Column{text, id}
}

// Documents reads the documents of files and folders, in the order in which they
// are given. A folder's files, those in folders below too, are a document each,
// and their paths within it the ids; hidden ones are left out.
func Documents(names []string, o DocumentOptions) ([]Document, error) {
	var all []Document
	for _, name := range names {
		info, err := os.Stat(name)
		if name != "-" && err == nil && info.IsDir() {
			documents, err := folder(name, o)
			if err != nil {
				return nil, err
			}
			all = append(all, documents...)
			continue
		}
		r, err := Open(name, Options{Columns: o.columns(), Format: o.Format, Stdin: o.Stdin})
		if err != nil {
			return nil, err
		}
		all, err = appendDocuments(all, r)
		_ = r.Close() // it was only read
		if err != nil {
			return nil, err
		}
	}
	return all, nil
}

func appendDocuments(all []Document, r *Reader) ([]Document, error) {
	for {
		record, err := r.Read()
		switch {
		case err == io.EOF:
			return all, nil
		case err != nil:
			return nil, err
		}
		all = append(all, Document{Text: record.Values[0].Text, ID: record.Values[1].Text})
	}
}

// folder reads each file below dir as a document.
func folder(dir string, o DocumentOptions) ([]Document, error) {
	var all []Document
	var first string // of what was left out
	skipped := 0
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if path != dir && strings.HasPrefix(entry.Name(), ".") {
			if entry.IsDir() {
				return filepath.SkipDir
			}
			return nil
		}
		if info, err := os.Stat(path); err != nil || !info.Mode().IsRegular() {
			return err // folders, sockets and the like hold no text
		}
		text, err := file(path)
		var content *ContentError
		if errors.As(err, &content) {
			skipped++
			if first == "" {
				first = fmt.Sprintf("%s looks like %s", path, content.Kind)
			}
			if o.LeftOut != nil {
				o.LeftOut(path, "looks like "+content.Kind)
			}
			return nil
		}
		if err != nil {
			return err
		}
		id, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		all = append(all, Document{ID: filepath.ToSlash(id), Text: text})
		return nil
	})
	switch {
	case err != nil:
		return nil, err
	case len(all) == 0 && skipped == 0:
		return nil, fmt.Errorf("%s is a folder without files", dir)
	case len(all) == 0:
		return nil, fmt.Errorf("%s is a folder without text: of %d files the first, %s", dir, skipped, first)
	}
	return all, nil
}

// file reads a whole file as one text.
func file(path string) (string, error) {
	in, err := openInput(path, nil)
	if err != nil {
		return "", err
	}
	defer in.Close()
	data, err := io.ReadAll(io.LimitReader(in, MaxRecord+1))
	if err != nil {
		return "", fmt.Errorf("%s: %w", path, err)
	}
	if kind := looksLike(data[:min(len(data), sniffed)]); kind != "" && kind != "an HTML page" && kind != "XML" {
		return "", &ContentError{File: path, Kind: kind, Want: "text"}
	}
	if len(data) > MaxRecord {
		return "", fmt.Errorf("%s is longer than %d MiB", path, MaxRecord>>20)
	}
	text := strings.TrimPrefix(string(data), string(utf8BOM))
	line := 0
	for l := range strings.Lines(text) {
		line++
		if err := encoding([]byte(l)); err != nil {
			return "", &LineError{File: path, Line: line, Err: err}
		}
	}
	return text, nil
}
