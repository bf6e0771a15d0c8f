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

// A Document is a text with an optional id.
type Document struct {
	ID   string // "" if it has none
	Text string
}

// DocumentOptions specify the columns of the text and the id.
type DocumentOptions struct {
	Format     Format
	TextColumn string                            // "": text or another common name
	IDColumn   string                            // "": id or another common name
	Stdin      io.Reader                         // read for the name "-"
	LeftOut    func(file string, because string) // receives files in a folder that are not text; may be nil
}

// Common column names, the preferred ones first.
var (
	TextNames  = []string{"text", "document", "content", "contents", "passage", "body"}
	IDNames    = []string{"id", "_id", "doc_id", "docid", "document_id", "corpus-id", "pid"}
	QueryNames = []string{"query", "question", "text_1"}
)

// columns returns the columns of documents: the text and the optional id.
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

// Documents reads the documents of files and folders, in the given order. In a folder,
// including its subfolders, each file is a document whose id is its relative path;
// hidden files are skipped.
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
		_ = r.Close() // opened for reading only
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
	var first string // first skipped file
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
			return err // folders, sockets etc. contain no text
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
		return nil, fmt.Errorf("%s is a directory without files", dir)
	case len(all) == 0:
		return nil, fmt.Errorf("%s is a directory without text: the first of %d files, %s", dir, skipped, first)
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
