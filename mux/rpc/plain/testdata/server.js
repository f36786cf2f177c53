// Answers requests of type 100 with replies of type 200, as svmq's manual has it.
const queue = require('svmq').open(Number(process.argv[2]) | 0, 0x600);

function next() {
  queue.pop({type: 100}, (err, data) => {
    if (err) process.exit(0); // the queue was removed
    const {id, n} = JSON.parse(data);
    const reply = Buffer.from(JSON.stringify({square: n * n, id}));
    queue.push(reply, {type: 200}, () => reply); // which push itself does not hold
    next();
  });
}
next();
