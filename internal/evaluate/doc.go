// Package evaluate measures rankings against relevance judgements: nDCG, reciprocal
// rank, average precision and recall as computed by trec_eval, and the significance of
// differences between rankings.
//
// It reads runs and judgements in the formats of TREC and BEIR, and as CSV or JSON.
package evaluate
