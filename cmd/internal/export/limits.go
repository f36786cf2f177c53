package export

import (
	"ipcmq/cmd/internal/collect"
	"ipcmq/internal/limits"
)

// limits sends the known limits, and how much is used of those that queues share.
// Negative ones mean unlimited.
func (s sender) limits(h *collect.Host) {
	send := func(name string, value int64) {
		if value >= 0 {
			s.send(limit, int(value), name)
		}
	}
	if u := h.SysV; u != nil {
		send(limits.MsgMax.Name, int64(u.MaxMessage))
		send(limits.MsgMnb.Name, int64(u.DefaultCapacity))
		send(limits.MsgMni.Name, int64(u.MaxQueues))
		s.send(limitUsed, u.Usage.Queues, limits.MsgMni.Name)
	}
	if l := h.PosixLimits; l != nil {
		send(limits.MqMsgDefault.Name, int64(l.DefaultMessages))
		send(limits.MqMsgMax.Name, int64(l.MaxMessages))
		send(limits.MqMsgsizeDefault.Name, int64(l.DefaultMessageSize))
		send(limits.MqMsgsizeMax.Name, int64(l.MaxMessageSize))
		send(limits.MqQueuesMax.Name, int64(l.MaxQueues))
		send(collect.MsgqueueLimit, l.UserBytes)
	}
	if u := h.Posix; u != nil {
		s.send(limitUsed, u.Queues, limits.MqQueuesMax.Name)
		s.send(limitUsed, int(u.Bytes), collect.MsgqueueLimit)
	}
}
