//go:build nomodel

package models

func data() []byte { return nil }
