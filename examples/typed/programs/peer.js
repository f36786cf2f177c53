// Answers each order of type 1 in the queue with the key process.argv[2] with an
// invoice of type 2, both JSON, until an order has no items.
const queue = require('svmq').open(Number(process.argv[2]));
queue.pop({ type: 1 }, function answer(err, data) {
  if (err) throw err;
  const order = JSON.parse(data);
  if (!order.items.length) return;
  const total = order.items.reduce((sum, i) => sum + i.count * i.price, 0);
  queue.push(Buffer.from(JSON.stringify({ id: order.id, by: 'Node', total })), { type: 2 }, (err) => {
    if (err) throw err;
    queue.pop({ type: 1 }, answer); // queue.close() would remove the queue
  });
});
