module ipcmq/benchmarks

go 1.26.0

require (
	golang.org/x/sync v0.24.0
	ipcmq v0.0.0
)

require (
	go.uber.org/goleak v1.3.0 // indirect
	golang.org/x/sys v0.49.0 // indirect
)

replace ipcmq => ../
