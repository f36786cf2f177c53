package main

// alternatives are what people use instead of message queues, each in its best
// form that was found; see README.md.
var alternatives = []contender{
	{name: "Unix stream", kind: alternative, meet: meetSockets(streamSocket), open: openConn(newStream)},
	{name: "Unix seqpacket", kind: alternative, meet: meetSockets(seqpacketSocket), open: openConn(newPackets)},
	{name: "Unix datagram", kind: alternative, meet: meetSockets(datagramSocket), open: openConn(newPackets)},
	{name: "pipe", kind: alternative, meet: meetPipes, open: openPipes},
	{name: "Unix stream, buffered", kind: alternative, oneWay: true, meet: meetSockets(streamSocket), open: buffered(openConn(newStream))},
	{name: "pipe, buffered", kind: alternative, oneWay: true, meet: meetPipes, open: buffered(openPipes)},
	{name: "mangos", kind: alternative, meet: meetMangos, open: openMangos},
	{name: "NATS", kind: alternative, meet: meetNATS, open: openNATS},
	{name: "Redis list", kind: alternative, meet: meetRedis, open: openRedis},
}

// first reports whether the job is that of the process that is timed.
func (j job) first() bool { return j.Role == ping || j.Role == take || j.Role == ask }
