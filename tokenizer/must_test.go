package tokenizer

// must is the value of a call that may not fail.
func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// second is the error of a call.
func second[T any](_ T, err error) error { return err }
