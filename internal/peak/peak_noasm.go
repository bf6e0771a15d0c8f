//go:build purego || (!amd64 && !arm64)

package peak

func floatLoop(rung string) loop {
	if rung == "portable" {
		return floatPortable
	}
	return loop{}
}

func byteLoop(rung string) loop {
	if rung == "portable" {
		return bytePortable
	}
	return loop{}
}
