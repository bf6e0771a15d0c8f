package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// writeFile writes a file of a test's folder.
func writeFile(t *testing.T, name, text string) string {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return name
}

// TestRankFiles: files add up, ids come back in every form, and what is no file of
// documents is refused by what it looks like.
func TestRankFiles(t *testing.T) {
	dir := t.TempDir()
	table := writeFile(t, filepath.Join(dir, "t.csv"), "id;text\nx1;deep learning\nx2;red apples\n")
	lines := writeFile(t, filepath.Join(dir, "l.txt"), "relativity\n")
	args := func(more ...string) []string { return append([]string{"rank", "-m", smallModel}, more...) }

	status, tsv, stderr := runWith(t, "", args("--tsv", "what is it", "-f", table, "-f", lines)...)
	rows := strings.Split(strings.TrimSuffix(tsv, "\n"), "\n")
	if status != 0 || stderr != "" || len(rows) != 3 {
		t.Fatalf("status %d: %s%s", status, tsv, stderr)
	}
	seen := make(map[string]string)
	for _, row := range rows {
		fields := strings.Split(row, "\t")
		if len(fields) != 4 {
			t.Fatalf("%q has %d fields", row, len(fields))
		}
		seen[fields[0]] = fields[2] + "=" + fields[3]
	}
	if seen["0"] != "x1=deep learning" || seen["1"] != "x2=red apples" || seen["2"] != "=relativity" {
		t.Errorf("%v", seen)
	}
	_, out, _ := runWith(t, "", args("--json", "what is it", "-f", table, "-f", lines)...)
	var reply struct {
		Results []struct {
			Index    int
			Document map[string]string
		}
	}
	if err := json.Unmarshal([]byte(out), &reply); err != nil || len(reply.Results) != 3 {
		t.Fatalf("%v: %s", err, out)
	}
	for _, r := range reply.Results {
		id, ok := r.Document["id"]
		if want := []string{"x1", "x2", ""}[r.Index]; id != want || ok != (want != "") {
			t.Errorf("document %d has id %q", r.Index, id)
		}
	}
	if _, out, _ := runWith(t, "", args("what is it", "-f", table)...); !strings.Contains(out, "  x1  deep learning\n") {
		t.Errorf("table:\n%s", out)
	}
	// Without ids all is as it was.
	if _, out, _ := runWith(t, "a\nb\n", args("--tsv", "q")...); strings.Count(out, "\t") != 4 {
		t.Errorf("%s", out)
	}
	if _, out, _ := runWith(t, `["a","b","c"]`, args("--tsv", "q", "-f", "-", "--format", "json")...); strings.Count(out, "\n") != 3 {
		t.Errorf("%s", out)
	}

	pdf := writeFile(t, filepath.Join(dir, "x.pdf"), "%PDF-1.5 …")
	for _, c := range []struct {
		args   []string
		status int
		want   string
	}{
		{[]string{"q", "-f", pdf}, 1, "winnow: " + pdf + " looks like a PDF: "},
		{[]string{"q", "-f", table, "--text-column", "name"}, 1, "winnow: " + table + `:1: no column "name" in the header, which has "id", "text"`},
		{[]string{"q", "-f", table, "--format", "pdf"}, 2, "winnow: --format must be one of"},
		{[]string{"q", lines}, 0, "winnow: \"" + lines + "\" is treated as text, but a file of that name exists: to rank its contents, use --file " + lines},
	} {
		if status, _, stderr := runWith(t, "", args(c.args...)...); status != c.status || !strings.Contains(stderr, c.want) {
			t.Errorf("%q: status %d: %s", c.args, status, stderr)
		}
	}
}

// TestMeter: nothing at first, then a line now and then, with what is left.
func TestMeter(t *testing.T) {
	var b strings.Builder
	m := newMeter(&b, "pairs", 500, 2500)
	at := m.begin
	m.now = func() time.Time { return at }
	for second := range 60 {
		at = m.begin.Add(time.Duration(second) * time.Second)
		m.update(500+int64(20*second), int64(2000*second))
	}
	m.finish()
	const want = "winnow: 4,000 pairs, 2,000/s, 21 %, 1m38s left\n" +
		"winnow: 10,000 pairs, 2,000/s, 24 %, 1m35s left\n" +
		"winnow: 22,000 pairs, 2,000/s, 28 %, 1m29s left\n" +
		"winnow: 46,000 pairs, 2,000/s, 38 %, 1m17s left\n" +
		"winnow: 94,000 pairs, 2,000/s, 57 %, 53s left\n"
	if b.String() != want {
		t.Errorf("%s", b.String())
	}
	for n, want := range map[int64]string{0: "0", 999: "999", 1000: "1,000", 1234567: "1,234,567"} {
		if got := grouped(n); got != want {
			t.Errorf("%d: %s", n, got)
		}
	}
}
