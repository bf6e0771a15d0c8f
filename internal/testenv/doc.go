// Package testenv finds the test data that is too large for the repository.
//
// WINNOW_PARITY_DIR names the full parity corpus, WINNOW_MODELS_DIR the real trained
// models, WINNOW_ZOO_DIR small models of more families and WINNOW_FIELD_DIR cases of
// faults that people's files have shown. A test that needs one of them is skipped where
// the variable is unset; with WINNOW_REQUIRE_DATA=1, as continuous integration sets it, the test
// fails instead. WINNOW_GEMMA names a language model that is fetched apart.
package testenv
