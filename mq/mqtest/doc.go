// Package mqtest is for tests of programs that use queues, and for tests of
// queues.
//
// [New] returns an in-memory queue that behaves like a System V queue, for tests
// that must be fast, or that control time with testing/synctest:
//
//	synctest.Test(t, func(t *testing.T) {
//		q := mqtest.New(nil)
//		defer q.Close()
//		go serve(q)
//		...
//	})
//
// [TestQueue] checks that a queue keeps the promises of package mq. Run it on
// every implementation of [mq.Queue].
package mqtest
