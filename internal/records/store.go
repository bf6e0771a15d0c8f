package records

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"hash/maphash"
	"io"
	"os"
)

// A Store finds texts by their ids. The texts are in a temporary file, so that
// collections of any size can be searched; memory use is about forty bytes per text.
type Store struct {
	name  string // of the source
	file  *os.File
	seed  maphash.Seed
	index map[uint64]int64 // offsets in the file, by hash of the id
}

// NewStore reads texts with their ids. An optional title is prepended to the text with
// a space, as in BEIR.
func NewStore(name string, o Options) (_ *Store, err error) {
	o.Columns = []Column{
		{Name: "id", Names: append([]string{"_id"}, IDNames...), Number: true},
		{Name: "text", Names: append(TextNames[:len(TextNames):len(TextNames)], QueryNames...)},
		{Name: "title", Names: []string{"title"}, Optional: true},
	}
	r, err := Open(name, o)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	file, err := os.CreateTemp("", "winnow-*.texts")
	if err != nil {
		return nil, err
	}
	store := &Store{name: r.name, file: file, seed: maphash.MakeSeed(), index: make(map[uint64]int64)}
	defer func() {
		if err != nil {
			_ = store.Close()
		}
	}()
	// Where an open file can be removed, it disappears however the process ends.
	_ = os.Remove(file.Name())
	w := bufio.NewWriterSize(file, 1<<20)
	offset := int64(0)
	var entry []byte
	for {
		record, err := r.Read()
		if err == io.EOF {
			return store, w.Flush()
		}
		if err != nil {
			return nil, err
		}
		id, text, title := record.Values[0].Text, record.Values[1].Text, record.Values[2].Text
		if title != "" {
			text = title + " " + text
		}
		hash := maphash.String(store.seed, id)
		if _, twice := store.index[hash]; twice {
			return nil, r.errorf(record.Line, "duplicate id %q", id)
		}
		store.index[hash] = offset
		entry = entry[:0]
		for _, part := range []string{id, text} {
			entry = append(binary.AppendUvarint(entry, uint64(len(part))), part...)
		}
		if _, err := w.Write(entry); err != nil {
			return nil, err
		}
		offset += int64(len(entry))
	}
}

// Get returns the text of an id.
func (s *Store) Get(id string) (string, error) {
	offset, ok := s.index[maphash.String(s.seed, id)]
	if !ok {
		return "", fmt.Errorf("%s has no id %q", s.name, id)
	}
	r := bufio.NewReader(io.NewSectionReader(s.file, offset, 1<<62))
	var parts [2]string
	for i := range parts {
		n, err := binary.ReadUvarint(r)
		if err != nil {
			return "", err
		}
		part := make([]byte, n)
		if _, err := io.ReadFull(r, part); err != nil {
			return "", err
		}
		parts[i] = string(part)
	}
	if parts[0] != id { // another id with the same hash
		return "", fmt.Errorf("%s has no id %q", s.name, id)
	}
	return parts[1], nil
}

// Close removes the temporary file.
func (s *Store) Close() error {
	err := s.file.Close()
	_ = os.Remove(s.file.Name()) // may already have been removed
	return err
}
