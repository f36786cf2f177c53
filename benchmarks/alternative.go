package main

import "ipcmq/mq/jetstream"

// alternatives are used instead of message queues, each in the best form that was
// found; see README.md.
var alternatives = []contender{
	{name: "Unix stream", kind: alternative, large: true, meet: meetSockets(streamSocket), open: openConn(newStream)},
	{name: "Unix seqpacket", kind: alternative, meet: meetSockets(seqpacketSocket), open: openConn(newPackets)},
	{name: "Unix datagram", kind: alternative, meet: meetSockets(datagramSocket), open: openConn(newPackets)},
	{name: "pipe", kind: alternative, large: true, meet: meetPipes, open: openPipes},
	{name: "Unix stream, buffered", kind: alternative, oneWay: true, meet: meetSockets(streamSocket), open: buffered(openConn(newStream))},
	{name: "pipe, buffered", kind: alternative, oneWay: true, meet: meetPipes, open: buffered(openPipes)},
	{name: "mangos", kind: alternative, meet: meetMangos, open: openMangos},
	{name: "NATS", kind: alternative, meet: meetNATS, open: openNATS},
	{name: "Redis list", kind: alternative, meet: meetRedis, open: openRedis},
	{name: "JetStream, memory", kind: alternative, oneWay: true, lends: true, meet: meetJetStream(jetstream.Memory), open: openJetStream(lendAndAck)},
	{name: "JetStream, file", kind: alternative, oneWay: true, lends: true, meet: meetJetStream(jetstream.File), open: openJetStream(lendAndAck)},
	{name: "JetStream, file, lease.Handle of 16", kind: alternative, oneWay: true, lends: true, meet: meetJetStream(jetstream.File), open: openJetStream(lendHandle(16))},
	{name: "Redis LMOVE, LREM", kind: alternative, oneWay: true, lends: true, meet: meetRedis, open: openRedisLeases},
	{name: "goqite", kind: alternative, oneWay: true, lends: true, meet: meetGoqite, open: openGoqite},
}

// first reports whether the job is that of the timed process.
func (j job) first() bool { return j.Role == ping || j.Role == take || j.Role == ask }
