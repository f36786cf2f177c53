// Package mqtest is for tests of programs that use queues, and of queues.
//
// [New] makes a queue in memory, with the behaviour of a System V one and
// nothing in the kernel, for tests that want to be fast, or to control time with
// testing/synctest:
//
//	synctest.Test(t, func(t *testing.T) {
//		q := mqtest.New(nil)
//		defer q.Close()
//		go serve(q)
//		...
//	})
//
// [TestQueue] checks that a queue keeps the promises of package mq. Run it over
// every implementation of [mq.Queue].
package mqtest
