package testenv

import (
	"os"
	"path/filepath"
	"testing"
)

// Parity returns the folder of the full parity corpus.
func Parity(t testing.TB) string {
	t.Helper()
	return dir(t, "WINNOW_PARITY_DIR")
}

// Models returns the folder of the real trained models.
func Models(t testing.TB) string {
	t.Helper()
	return dir(t, "WINNOW_MODELS_DIR")
}

// Zoo returns the folder of small models of families that the parity corpus lacks.
func Zoo(t testing.TB) string {
	t.Helper()
	return dir(t, "WINNOW_ZOO_DIR")
}

// Field returns the folder of cases of faults found in users' files.
func Field(t testing.TB) string {
	t.Helper()
	return dir(t, "WINNOW_FIELD_DIR")
}

// Gemma returns the file of Gemma 3 270M in Q4_K_M, downloaded by testdata/gemma.sh:
// WINNOW_GEMMA, or a file in the user's cache. If neither exists the test is skipped,
// since the file is large and under a licence of its own; if WINNOW_GEMMA is missing,
// the test fails. Short runs skip it.
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
