package sysv

// FtokOf is the arithmetic of Ftok.
var FtokOf = ftok

// QueuesIn is Queues with another /proc.
var QueuesIn = queues

var ParseRecord = parseRecord
