//go:build !purego

package peak

func floatLoop(rung string) loop {
	switch rung {
	case "portable":
		return floatPortable
	case "neon", "dotprod", "i8mm":
		return loop{24 * 4, counted(multiplyAddsNEON)}
	}
	return loop{}
}

func byteLoop(rung string) loop {
	switch rung {
	case "portable":
		return bytePortable
	case "neon":
		return loop{8 * 16, counted(byteProductsNEON)}
	case "dotprod":
		return loop{16 * 16, counted(byteProductsDotProd)}
	case "i8mm":
		return loop{16 * 32, counted(byteProductsI8MM)}
	}
	return loop{}
}

// multiplyAddsNEON does rounds of 24 independent multiply-adds of 4 lanes.
func multiplyAddsNEON(rounds int, sums *lanes[float32])

// byteProductsNEON does rounds of 8 independent SMULL, SMLAL, SADALP.
func byteProductsNEON(rounds int, sums *lanes[int32])

// byteProductsDotProd does rounds of 16 independent SDOT.
func byteProductsDotProd(rounds int, sums *lanes[int32])

// byteProductsI8MM does rounds of 16 independent SMMLA.
func byteProductsI8MM(rounds int, sums *lanes[int32])
