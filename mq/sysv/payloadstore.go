package sysv

import "ipcmq/internal/store"

// PayloadStore is for package ipcmq/mq/large, which keeps payloads that are too
// large for the queue in shared memory that belongs to it.
func (q *Queue) PayloadStore() (store.Queue, error) {
	if err := q.usable("stat", true); err != nil {
		return store.Queue{}, err
	}
	ds, errno := q.statAnyhow()
	if errno != 0 {
		return store.Queue{}, q.errno("stat", errno)
	}
	return store.Queue{ID: q.id, Key: ds.Key, UID: ds.UID, GID: ds.GID, CUID: ds.CUID, Mode: ds.Mode}, nil
}
