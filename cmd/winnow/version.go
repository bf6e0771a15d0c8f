package main

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/klauspost/cpuid/v2"

	"github.com/winnow-rerank/winnow/kernels"
)

type versionCommand struct {
	Rungs bool `help:"List the kernels' instruction sets supported here, one per line."`
}

func (c *versionCommand) Run(env *environment) error {
	if c.Rungs {
		_, err := fmt.Fprintln(env.stdout, strings.Join(kernels.Rungs(), "\n"))
		return err
	}
	version, commit := build()
	if commit == "" {
		commit = "unknown"
	}
	_, err := fmt.Fprintf(env.stdout, "winnow %s\ncommit   %s\ngo       %s %s/%s\ncpu      %s, %d cores, %d threads\nfeatures %s\nkernels  %s (of %s)\n",
		version, commit, runtime.Version(), runtime.GOOS, runtime.GOARCH,
		cpuid.CPU.BrandName, cpuid.CPU.PhysicalCores, cpuid.CPU.LogicalCores, features(), kernels.Rung(), strings.Join(kernels.Rungs(), ", "))
	return err
}

// Release builds set these, because their source tree need not be a repository.
var release, releaseCommit string

// build returns the version of a release, or what the Go tool recorded in the binary.
func build() (version, commit string) {
	if release != "" {
		return release, releaseCommit
	}
	version = "dev"
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return version, ""
	}
	if v := info.Main.Version; v != "" && v != "(devel)" {
		version = v
	}
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			commit = s.Value
		case s.Key == "vcs.modified" && s.Value == "true":
			commit += " (modified)"
		}
	}
	return version, commit
}

// features lists the features of the CPU that the kernels could use.
func features() string {
	var have []string
	for _, f := range []cpuid.FeatureID{cpuid.SSE4, cpuid.AVX2, cpuid.FMA3, cpuid.F16C, cpuid.AVXVNNI, cpuid.AVX512F, cpuid.AVX512BW,
		cpuid.AVX512VL, cpuid.AVX512VNNI, cpuid.AVX512BF16, cpuid.AVX512FP16, cpuid.AMXINT8, cpuid.AMXBF16,
		cpuid.ASIMD, cpuid.ASIMDDP, cpuid.FPHP, cpuid.ASIMDHP, cpuid.SVE} {
		if cpuid.CPU.Supports(f) {
			have = append(have, f.String())
		}
	}
	if have == nil {
		return "none relevant"
	}
	return strings.Join(have, " ")
}
