// Package testenv locates test data that is too large for the repository.
//
// WINNOW_PARITY_DIR is the full parity corpus, WINNOW_MODELS_DIR the real trained
// models, WINNOW_ZOO_DIR small models of more families and WINNOW_FIELD_DIR cases of
// faults found in users' files. Tests are skipped if a variable they need is unset;
// with WINNOW_REQUIRE_DATA=1, which continuous integration sets, they fail instead.
// WINNOW_GEMMA is a language model that is downloaded separately.
package testenv
