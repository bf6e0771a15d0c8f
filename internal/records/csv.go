package records

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
)

// separators are the possible separators of fields, the most likely first.
const separators = ",;\t|"

// rows reads the rows after the header, which determines the columns and the separator.
func (r *Reader) rows(format Format) (func() (Record, error), error) {
	above := 0 // lines before the header
	if head, _ := r.in.Peek(len("sep=;\r\n")); len(head) >= 5 && bytes.EqualFold(head[:4], []byte("sep=")) {
		// A line that tells Excel the separator.
		if _, err := r.in.ReadString('\n'); err != nil && err != io.EOF {
			return nil, r.errorf(1, "%w", err)
		}
		above = 1
	}
	comma := '\t'
	if format != TSV {
		comma = r.separator()
	}
	limited := &recordLimit{r: r.in, left: MaxRecord}
	reader := csv.NewReader(limited)
	reader.Comma, reader.ReuseRecord = comma, true
	header, err := reader.Read()
	switch {
	case err == io.EOF:
		return func() (Record, error) { return Record{}, io.EOF }, nil
	case err != nil:
		return nil, r.rowError(err, above, 1)
	}
	for _, name := range header {
		if err := encoding([]byte(name)); err != nil {
			return nil, r.errorf(above+1, "%w", err)
		}
	}
	at := make([]int, len(r.columns))
	for i, c := range r.columns {
		if at[i] = find(header, c.Names); at[i] < 0 && !c.Optional {
			return nil, r.errorf(above+1, "no column %q in the header, which has %s", c.Name, quoted(header))
		}
	}
	line := 1
	return func() (Record, error) {
		limited.left = MaxRecord
		row, err := reader.Read()
		switch {
		case err == io.EOF:
			return Record{}, io.EOF
		case err != nil:
			return Record{}, r.rowError(err, above, line+1)
		}
		line, _ = reader.FieldPos(0)
		line += above
		record := Record{Line: line, Values: make([]Value, len(r.columns))}
		for i, from := range at {
			if from < 0 {
				continue
			}
			if err := encoding([]byte(row[from])); err != nil {
				return Record{}, r.errorf(line, "column %q: %w", r.columns[i].Name, err)
			}
			record.Values[i] = Value{Text: strings.Clone(row[from]), Set: true}
		}
		return record, nil
	}, nil
}

// rowError adds the file and the line to an error of package csv, which does not count
// the lines above; for other errors, line is where the row begins.
func (r *Reader) rowError(err error, above, line int) error {
	if parse := new(csv.ParseError); errors.As(err, &parse) {
		if errors.Is(parse.Err, csv.ErrFieldCount) {
			return r.errorf(above+parse.StartLine, "the row's number of fields differs from the header's")
		}
		return r.errorf(above+parse.StartLine, "broken CSV, line %d, column %d: %w", above+parse.Line, parse.Column, parse.Err)
	}
	return r.errorf(line, "%w", err)
}

// separator returns the separator that yields the most requested columns in the header,
// then the most columns in total.
func (r *Reader) separator() rune {
	head, _ := r.in.Peek(sniffed)
	best, most := ',', -1
	for _, comma := range separators {
		reader := csv.NewReader(bufio.NewReader(bytes.NewReader(head)))
		reader.Comma = comma
		header, err := reader.Read()
		if err != nil {
			continue
		}
		score := len(header)
		for _, c := range r.columns {
			if find(header, c.Names) >= 0 {
				score += 1 << 20
			}
		}
		if score > most {
			best, most = comma, score
		}
	}
	return best
}

// find returns the index of the first of names in the header, or -1.
func find(header, names []string) int {
	for _, name := range names {
		if i := slices.IndexFunc(header, func(h string) bool { return strings.EqualFold(strings.TrimSpace(h), name) }); i >= 0 {
			return i
		}
	}
	return -1
}

func quoted(names []string) string {
	list := make([]string, len(names))
	for i, name := range names {
		list[i] = strconv.Quote(strings.TrimSpace(name))
	}
	return clipped(strings.Join(list, ", "))
}

// A recordLimit fails on a row longer than MaxRecord, such as one without its closing
// quote.
type recordLimit struct {
	r    io.Reader
	left int64
}

func (l *recordLimit) Read(p []byte) (int, error) {
	if l.left < 0 {
		return 0, fmt.Errorf("the row is longer than %d MiB", MaxRecord>>20)
	}
	n, err := l.r.Read(p)
	l.left -= int64(n)
	return n, err
}
