//go:build linux && (386 || mips || mipsle || ppc64 || ppc64le || s390x)

package sys

// Ways runs f with each way that this architecture has to make the calls.
func Ways(f func(way string)) {
	old := viaIPC.Load()
	defer viaIPC.Store(old)
	viaIPC.Store(false)
	f("direct calls")
	viaIPC.Store(false)
	if lacking(EINVAL) || viaIPC.Load() || !lacking(ENOSYS) || !viaIPC.Load() {
		panic("ENOSYS alone must lead to ipc(2)")
	}
	f("ipc(2)")
}
