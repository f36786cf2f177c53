//go:build linux && !(386 || mips || mipsle || ppc64 || ppc64le || s390x)

package sys

// Ways runs f with each way that this architecture has to make the calls.
func Ways(f func(way string)) { f("direct calls") }
