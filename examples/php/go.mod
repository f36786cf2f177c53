module ipcmq/examples/php

go 1.26.0

require (
	github.com/elliotchance/phpserialize v1.4.0
	ipcmq v0.0.0
)

require (
	go.uber.org/goleak v1.3.0 // indirect
	golang.org/x/sys v0.49.0 // indirect
)

replace ipcmq => ../../
