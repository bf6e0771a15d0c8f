// Package evaluate measures rankings against judgements: nDCG, reciprocal rank,
// average precision and recall as trec_eval computes them, and what chance there is
// that one ranking is better than another.
//
// It reads runs and judgements in TREC's form, BEIR's, and as CSV or JSON.
package evaluate
