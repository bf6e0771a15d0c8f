//go:build !purego

package peak

func floatLoop(rung string) loop {
	switch rung {
	case "portable":
		return floatPortable
	case "avx2", "avxvnni":
		return loop{12 * 8, counted(multiplyAddsAVX2)}
	case "avx512", "avx512vnni", "amx":
		return loop{24 * 16, counted(multiplyAddsAVX512)}
	}
	return loop{}
}

func byteLoop(rung string) loop {
	switch rung {
	case "portable":
		return bytePortable
	case "avx2", "avx512":
		return loop{8 * 32, counted(byteProductsAVX2)}
	case "avxvnni":
		return loop{12 * 32, counted(byteProductsAVXVNNI)}
	case "avx512vnni":
		return loop{24 * 64, counted(byteProductsAVX512VNNI)}
	case "amx":
		return loop{4 * 16 * 16 * 64, func(rounds int) int { byteProductsAMX(rounds); return 0 }}
	}
	return loop{}
}

// multiplyAddsAVX512 does rounds of 24 independent multiply-adds of 16 lanes.
func multiplyAddsAVX512(rounds int, sums *lanes[float32])

// multiplyAddsAVX2 does rounds of 12 independent multiply-adds of 8 lanes.
func multiplyAddsAVX2(rounds int, sums *lanes[float32])

// byteProductsAVX2 does rounds of 8 independent VPMADDUBSW, VPMADDWD, VPADDD.
func byteProductsAVX2(rounds int, sums *lanes[int32])

// byteProductsAVXVNNI does rounds of 12 independent VPDPBUSD in VEX form.
func byteProductsAVXVNNI(rounds int, sums *lanes[int32])

// byteProductsAVX512VNNI does rounds of 24 independent VPDPBUSD.
func byteProductsAVX512VNNI(rounds int, sums *lanes[int32])

// byteProductsAMX does rounds of 4 independent TDPBSUD.
func byteProductsAMX(rounds int)
