// Package nearest suggests known names for misspelled ones.
package nearest

// Of returns the known name with the smallest distance to name, or "" if all distances
// exceed most.
func Of(name string, known []string, most int) string {
	best := ""
	for _, k := range known {
		if d := Distance(name, k); d <= most {
			best, most = k, d-1
		}
	}
	return best
}

// Distance returns the Levenshtein distance of two words.
func Distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
