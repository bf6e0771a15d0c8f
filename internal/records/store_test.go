package records

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
)

func TestStore(t *testing.T) {
	dir := t.TempDir()
	long := strings.Repeat("x", 100000)
	corpus := write(t, filepath.Join(dir, "corpus.jsonl.gz"), gzipped(t,
		`{"_id":"d1","title":"A title","text":"and text"}`+"\n"+`{"_id":"d2","title":"","text":""}`+"\n"+`{"_id":3,"text":"`+long+`"}`+"\n"))
	s, err := NewStore(corpus, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for id, want := range map[string]string{"d1": "A title and text", "d2": "", "3": long} {
		if got, err := s.Get(id); err != nil || got != want {
			t.Errorf("%s: %.30q, %v", id, got, err)
		}
	}
	if _, err := s.Get("d4"); err == nil || err.Error() != corpus+` has no id "d4"` {
		t.Error(err)
	}
	twice := write(t, filepath.Join(dir, "q.tsv"), []byte("id\tquery\n1\ta\n2\tb\n1\tc\n"))
	if _, err := NewStore(twice, Options{}); err == nil || err.Error() != twice+`:4: duplicate id "1"` {
		t.Error(err)
	}
	if _, err := NewStore(write(t, filepath.Join(dir, "t.txt"), []byte("a\n")), Options{}); err == nil || !strings.Contains(err.Error(), `looks like lines of text: expected JSON or CSV with "id" and "text"`) {
		t.Error(err)
	}
}

// TestFields: lines of TREC's kind.
func TestFields(t *testing.T) {
	file := write(t, filepath.Join(t.TempDir(), "run"), []byte("q1 Q0 d1\t1 0.5 tag\n\nq1 Q0 d2\n"))
	var columns []Column
	for name := range strings.FieldsSeq("query Q0 document rank score tag") {
		columns = append(columns, Column{Name: name})
	}
	r, err := Open(file, Options{Columns: columns, Format: Fields})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	record, err := r.Read()
	if got := fmt.Sprint(record.Line, record.Values[0].Text, record.Values[2].Text, record.Values[4].Text); err != nil || got != "1q1d10.5" {
		t.Errorf("%s, %v", got, err)
	}
	if _, err := r.Read(); err == nil || err.Error() != file+":3: 3 fields: expected 6: query Q0 document rank score tag" {
		t.Error(err)
	}
}
