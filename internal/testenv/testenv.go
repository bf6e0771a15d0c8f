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
