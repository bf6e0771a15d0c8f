// Package models holds the model that is built into the winnow command:
// ms-marco-MiniLM-L12-v2, a cross-encoder for English, with 8-bit weights.
// NOTICE tells where it comes from.
//
// The build tag nomodel leaves it out.
package models
