// Package testenv finds the test data that is too large for the repository.
//
// WINNOW_PARITY_DIR names the full parity corpus and WINNOW_MODELS_DIR the real
// trained models. A test that needs one of them is skipped where the variable is
// unset; with WINNOW_REQUIRE_DATA=1, as continuous integration sets it, the test
// fails instead.
package testenv

import (
	"os"
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
