package testenv

import (
	"os"
	"path/filepath"
	"testing"
)

// Parity is the folder of the full parity corpus.
func Parity(t testing.TB) string {
	t.Helper()
	return dir(t, "WINNOW_PARITY_DIR")
}

// Models is the folder of the real, trained models.
func Models(t testing.TB) string {
	t.Helper()
	return dir(t, "WINNOW_MODELS_DIR")
}

// Zoo is the folder of small models of families that the parity corpus does not have.
func Zoo(t testing.TB) string {
	t.Helper()
	return dir(t, "WINNOW_ZOO_DIR")
}

// Field is the folder of cases of faults that people's files have shown.
func Field(t testing.TB) string {
	t.Helper()
	return dir(t, "WINNOW_FIELD_DIR")
}

// Gemma is the file of Gemma 3 270M in Q4_K_M, which testdata/gemma.sh fetches:
// WINNOW_GEMMA names it, or it is in the user's cache. Where it is in neither the
// test is skipped, since the file is large and its licence is not ours; where the
// variable names a file that is missing, the test fails. Short runs skip it.
func Gemma(t testing.TB) string {
	t.Helper()
	if testing.Short() {
		t.Skip("a real language model takes long")
	}
	const name = "gemma-3-270m-q4_k_m.gguf"
	if named := os.Getenv("WINNOW_GEMMA"); named != "" {
		if _, err := os.Stat(named); err != nil {
			t.Fatalf("WINNOW_GEMMA: %v", err)
		}
		return named
	}
	if cache, err := os.UserCacheDir(); err == nil {
		if file := filepath.Join(cache, "winnow", name); exists(file) {
			return file
		}
	}
	t.Skipf("%s is not here: testdata/gemma.sh fetches it", name)
	return ""
}

func exists(file string) bool {
	_, err := os.Stat(file)
	return err == nil
}

func dir(t testing.TB, variable string) string {
	t.Helper()
	name := os.Getenv(variable)
	if name == "" {
		if os.Getenv("WINNOW_REQUIRE_DATA") == "1" {
			t.Fatalf("%s is unset and WINNOW_REQUIRE_DATA=1", variable)
		}
		t.Skipf("%s is unset: the full corpus is not here", variable)
	}
	return name
}
