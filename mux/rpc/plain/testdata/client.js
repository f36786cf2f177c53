// Makes so many calls, 8 at once, with requests of type 100 and replies of type 200.
const queue = require('svmq').open(Number(process.argv[2]) | 0, 0x600);
const calls = Number(process.argv[3]), waiting = new Map();
let sent = 0, right = 0, received = 0;

function call() {
  if (sent === calls) return;
  const id = ++sent, request = Buffer.from(JSON.stringify({id, n: id}));
  waiting.set(id, id * id);
  queue.push(request, {type: 100}, (err) => { if (err) throw err; return request; });
}

function next() {
  queue.pop({type: 200}, (err, data) => {
    if (err) throw err;
    const {id, square} = JSON.parse(data);
    if (waiting.get(id) === square) right++;
    waiting.delete(id);
    if (++received === calls) return console.log(`${right} right`);
    call();
    next();
  });
}
for (let i = 0; i < 8; i++) call();
next();
