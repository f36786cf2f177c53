package jetstream

import (
	"context"
	"encoding/json"
	"time"

	js "github.com/nats-io/nats.go/jetstream"
)

// ConsumerLife is how long, in lease mode, the servers regard a selector as in use
// while nobody receives with it. After that, others may select in another way. It is
// [IdleLife] instead once a handle that has received with the selector was closed.
const ConsumerLife = 10 * time.Minute

// IdleLife is how long the servers regard a selector as in use after a handle that has
// received with it was closed, unless somebody receives with it or has a message on
// lease. It needs servers of version 2.12: older ones would forget leases too.
const IdleLife = 5 * time.Second

// A consumerRequest creates a consumer, or changes it.
type consumerRequest struct {
	Stream string            `json:"stream_name"`
	Config js.ConsumerConfig `json:"config"`
	Action string            `json:"action"`
}

// request returns the request that creates the consumer, or changes how long it lasts.
func (c *consumer) request(action string, life time.Duration) (subject string, r consumerRequest) {
	s := c.q.subjects
	r = consumerRequest{s.stream, js.ConsumerConfig{
		Name:              c.name,
		Durable:           c.name,
		FilterSubject:     s.filter(c.selector),
		DeliverPolicy:     js.DeliverAllPolicy,
		AckPolicy:         js.AckExplicitPolicy,
		AckWait:           c.q.ackWait,
		MaxDeliver:        -1,
		MaxAckPending:     -1, // no limit, or many leases would stop everybody
		MaxWaiting:        maxWaiting,
		InactiveThreshold: life,
	}, action}
	return "CONSUMER.CREATE." + s.stream + "." + c.name + "." + r.Config.FilterSubject, r
}

// create creates the consumer, or finds it.
func (c *consumer) create(ctx context.Context) error {
	var found js.ConsumerInfo
	err := c.q.api(ctx, 0, "CONSUMER.INFO."+c.q.subjects.stream+"."+c.name, nil, &found)
	if err == nil && found.Config.InactiveThreshold < ConsumerLife {
		// The last user has closed its handle, and this is a new one.
		subject, request := c.request("update", ConsumerLife)
		err = c.q.api(ctx, 0, subject, request, nil)
	}
	if code(err) != codeConsumerNotFound {
		c.setCreated(found.Created)
		return err
	}
	if _, err := c.q.stream(ctx, 0); err != nil {
		return err // it would be created for another queue
	}
	subject, request := c.request("create", ConsumerLife)
	err = c.q.api(ctx, 0, subject, request, &found)
	if code(err) == codeConsumerExists { // another version has made it meanwhile
		err = nil
	}
	c.setCreated(found.Created)
	return err
}

// setCreated notes when the servers have made the consumer: by that it is told from one
// of the same name that was made when this one had been removed.
func (c *consumer) setCreated(at time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.created = at
}

// madeAt returns when the servers have made the consumer, or zero.
func (c *consumer) madeAt() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.created
}

// isForgotten reports whether the server says that a consumer is gone, or is another one
// than that made at created, if that is not zero: then all the leases of what it had lent
// are over.
func (q *Queue) isForgotten(ctx context.Context, name string, created time.Time) bool {
	var info js.ConsumerInfo
	err := q.api(ctx, 0, "CONSUMER.INFO."+q.subjects.stream+"."+name, nil, &info)
	return code(err) == codeConsumerNotFound || err == nil && !created.IsZero() && !info.Created.Equal(created)
}

// use notes a consumer that this handle has used.
func (q *Queue) use(c *consumer) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.used[c.name] = c
}

// leave makes the servers forget consumers that this handle has used, if nobody else
// uses them: only the servers can check that and remove one in a single step. If the
// request is lost, the consumers last for ConsumerLife. The lock is held.
func (q *Queue) leave() {
	if !isAtLeast(q.nc.ConnectedServerVersion(), 12) {
		return
	}
	for _, c := range q.used {
		subject, request := c.request("update", IdleLife)
		if body, err := json.Marshal(request); err == nil {
			q.nc.PublishRequest(q.apiPrefix+subject, q.nc.NewInbox(), body)
		}
	}
}
